/** Server-sent events, read by `fetch`: unlike EventSource it sends a header and tells why it was refused. */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/** Events in chunks of text. Comments are events of no name: they say that the other side lives. */
export class Lines {
  #rest = "";
  #name = "message";
  #data = [];

  /** Return the events that are whole with this chunk: `{name, data}`. */
  take(chunk) {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop();
    const events = [];
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (this.#data.length > 0) events.push({ name: this.#name, data: this.#data.join("\n") });
        this.#name = "message";
        this.#data = [];
      } else if (line.startsWith(":")) events.push({ name: "", data: "" });
      else if (line.startsWith("data:")) this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line.startsWith("event:")) this.#name = line.slice(6).trim();
    }
    return events;
  }
}

export class Stream {
  /**
   * Follow `address` until `close`. `onEvent(name, value)` gets each event, its data read as JSON; `onState(state)`
   * one of `connecting`, `live`, `silent` (connected, and nothing came for `silence_ms`), `lost` (tried again by
   * itself) and `refused` (the token isn't right; not tried again).
   */
  constructor(address, { headers, onEvent, onState, silence_ms = 10_000 }) {
    this.address = address;
    this.headers = headers;
    this.onEvent = onEvent;
    this.onState = onState;
    this.silence_ms = silence_ms;
    this.wait_ms = FIRST_WAIT_MS;
    this.closed = false;
    this.state = "";
    this.#run();
  }

  close() {
    this.closed = true;
    this.abort?.abort();
    clearTimeout(this.timer);
    clearTimeout(this.wake);
    this.woken?.();
  }

  #say(state) {
    if (this.state === state || this.closed) return;
    this.state = state;
    this.onState(state);
  }

  async #run() {
    this.#say("connecting");
    while (!this.closed) {
      try {
        if (!(await this.#follow())) return;
      } catch (error) {
        if (!(error instanceof TypeError || error.name === "AbortError")) console.error(error);
      }
      if (this.closed) return;
      this.#say("lost");
      await new Promise((resolve) => {
        this.woken = resolve;
        this.wake = setTimeout(resolve, this.wait_ms * (0.75 + Math.random() / 2));
      });
      this.wait_ms = Math.min(this.wait_ms * 2, LONGEST_WAIT_MS);
    }
  }

  /** Read one connection to its end; return whether another may be tried. */
  async #follow() {
    this.abort = new AbortController();
    this.#listen();
    const answer = await fetch(this.address, {
      headers: { Accept: "text/event-stream", ...this.headers() },
      cache: "no-store",
      signal: this.abort.signal,
    });
    if (answer.status === 401 || answer.status === 403) {
      clearTimeout(this.timer);
      this.#say("refused");
      return false;
    }
    if (!answer.ok) return true;
    const lines = new Lines();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      this.wait_ms = FIRST_WAIT_MS;
      this.#listen();
      this.#say("live");
      for (const { name, data } of lines.take(value)) if (name !== "") this.onEvent(name, JSON.parse(data));
    }
  }

  /** Say so when nothing comes; give the connection up when nothing comes for long. */
  #listen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.#say("silent");
      this.timer = setTimeout(() => this.abort.abort(), this.silence_ms);
    }, this.silence_ms);
  }
}
