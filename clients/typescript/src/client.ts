// The client: the operations of the API with the settings of one server.

import { Operations } from "./operations.js";
import { DEFAULT_POLICY, type RetryPolicy } from "./retry.js";

export interface Settings {
  /** The key of the API, sent as `X-API-Key`. */
  key?: string;
  /** How long one attempt may take, in milliseconds. It must be more than the longest `wait_ms`. */
  timeoutMs?: number;
  /** Which attempts follow one that failed. */
  retry?: Partial<RetryPolicy>;
  /** What to use in place of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
}

/** A client of one server: `http://127.0.0.1:8080`, with the path below which a proxy shows it, if any. */
export class Client extends Operations {
  constructor(url = "http://127.0.0.1:8080", settings: Settings = {}) {
    const policy = { ...DEFAULT_POLICY, ...settings.retry };
    super(url, settings.key, settings.timeoutMs ?? 15_000, policy, settings.fetch ?? globalThis.fetch.bind(globalThis));
  }
}
