/** Figures as people read them, each with its unit. What was not measured is a dash. */

export const NONE = "–";

const numbers = new Map();

function number(digits) {
  if (!numbers.has(digits)) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    numbers.set(digits, new Intl.NumberFormat("en", options));
  }
  return numbers.get(digits);
}

function absent(value) {
  return value === undefined || value === null || value === "" || Number.isNaN(Number(value));
}

/** With `digits` decimals, thousands apart, and a true minus; `sign`: also a plus. */
export function figure(value, { digits = 0, sign = false } = {}) {
  if (absent(value)) return NONE;
  const text = number(digits).format(Math.abs(Number(value)));
  const zero = !/[1-9]/.test(text);
  return (Number(value) < 0 && !zero ? "−" : sign && !zero ? "+" : "") + text;
}

/** Money in USD. Cents, as long as it is less than a million. */
export function usd(value, { sign = false } = {}) {
  if (absent(value)) return NONE;
  return `${figure(value, { digits: Math.abs(Number(value)) < 1e6 ? 2 : 0, sign })} USD`;
}

export function bps(value, { sign = false } = {}) {
  return absent(value) ? NONE : `${figure(value, { digits: 1, sign })} bps`;
}

/** A figure beside an axis whose figures are `step` apart: no more digits than tell them apart. */
export function ticked(unit) {
  return (value, step) => {
    const digits = Math.max(0, Math.ceil(-Math.log10(step || 1) - 1e-9));
    return `${figure(value, { digits: Math.min(digits, 6) })} ${unit}`;
  };
}

/** A share of one as a percentage. */
export function share(value) {
  if (absent(value)) return NONE;
  const percent = Number(value) * 100;
  return `${figure(percent, { digits: percent !== 0 && Math.abs(percent) < 10 ? 1 : 0 })} %`;
}

/** A quantity or a price: its digits as they were told, thousands apart. */
export function exact(value) {
  if (absent(value)) return NONE;
  const [whole, digits] = String(value).split(".");
  if (!/^-?\d+$/.test(whole)) return String(value);
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",").replace("-", "−");
  return digits === undefined ? grouped : `${grouped}.${digits}`;
}

/** How long, from seconds: two units at most. */
export function duration(seconds) {
  if (absent(seconds)) return NONE;
  const all = Math.max(0, Number(seconds));
  if (all < 0.001) return `${figure(all * 1e6)} µs`;
  if (all < 1) return `${figure(all * 1e3)} ms`;
  if (all < 10) return `${figure(all, { digits: 1 })} s`;
  const whole = Math.floor(all);
  if (whole < 60) return `${whole} s`;
  const pair = (one, first, other, second) => (other ? `${one} ${first} ${other} ${second}` : `${one} ${first}`);
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86400) return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return pair(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

/** How long, from microseconds. */
export function micros(us) {
  return absent(us) ? NONE : duration(Number(us) / 1e6);
}

/** A moment in UTC, from milliseconds, to the second; `day`: with its date. */
export function moment(ms, { day = false } = {}) {
  if (absent(ms)) return NONE;
  const iso = new Date(Number(ms)).toISOString();
  return day ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : iso.slice(11, 19);
}

export function plural(count, one, many = `${one}s`) {
  return `${figure(count)} ${Number(count) === 1 ? one : many}`;
}

/** Which way a figure speaks: `good`, `bad`, or neither. */
export function tone(value) {
  if (absent(value)) return null;
  return Number(value) > 0 ? "good" : Number(value) < 0 ? "bad" : null;
}
