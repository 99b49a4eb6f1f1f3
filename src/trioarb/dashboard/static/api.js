/** Requests to the server. */

import { askToken, forgetToken, hasToken, headers } from "./token.js";

/** A request that wasn't done; its message is for people. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The address of what belongs to a campaign. */
export function campaignPath(name, rest = "") {
  return `api/campaigns/${encodeURIComponent(name)}${rest}`;
}

async function answerOf(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options, headers: { ...options.headers, ...headers() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The dashboard doesn't answer.");
  }
  const said = await answer.json().catch(() => null);
  if (answer.ok) return said;
  throw new Refusal(answer.status, said?.error ?? `The dashboard said ${answer.status}.`);
}

/** Get what is at `path`. Asks for the token, where reading needs one. */
export async function get(path, { signal } = {}) {
  for (;;) {
    try {
      return await answerOf(path, { signal, headers: {} });
    } catch (error) {
      if (error.status !== 401) throw error;
      if (!(await tokenAfter(error))) throw error;
    }
  }
}

/** Post `body`, always with the token, which is asked for where it isn't known, or was wrong. */
export async function post(path, body) {
  if (!hasToken() && !(await askToken("Actions need the token."))) throw new Refusal(401, "Nothing was done: no token.");
  for (;;) {
    try {
      return await answerOf(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch (error) {
      if (error.status !== 401) throw error;
      if (!(await tokenAfter(error))) throw new Refusal(401, "Nothing was done: the token was refused.");
    }
  }
}

let asking = null;

/** Ask once for a token, however many requests were refused at a time. */
export function tokenAfter(error) {
  asking ??= (async () => {
    const why = hasToken() ? "That token was refused. " : "";
    forgetToken();
    return await askToken(`${why}${error.message}`);
  })().finally(() => (asking = null));
  return asking;
}
