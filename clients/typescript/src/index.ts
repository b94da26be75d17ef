// A client of Vitrine's HTTP API, on the global `fetch` and nothing else.
//
//     Client ─ operations (generated) ─ transport ─ fetch
//                └ models (generated)     ├ retry: what is sent again, and when
//                                         └ errors: problems as exceptions

export { Client, type Settings } from "./client.js";
export * from "./errors.js";
export type { ServerSentEvent } from "./events.js";
export type * as models from "./models.js";
export type { RetryPolicy } from "./retry.js";
export type { CallOptions, Repeat } from "./transport.js";
