// Requests by `fetch`: repeated where they may be, with errors as exceptions.

import { ConnectionFailed, VitrineError, errorOf } from "./errors.js";
import { parse, type ServerSentEvent } from "./events.js";
import { pauseMs, type RetryPolicy } from "./retry.js";

type Values = Record<string, unknown>;

/** Where the values of a call go. */
export interface CallOptions {
  inPath?: Values;
  inQuery?: Values;
  inHeader?: Values;
  body?: unknown;
  /** The media type of the body: JSON unless it is given. Another body is sent as it is. */
  mediaType?: string;
}

/**
 * Whether a call may be sent again when its answer is not known: "safe" and "idempotent" may, "keyed" may because an
 * idempotency key is sent with it, and "once" may not.
 */
export type Repeat = "safe" | "idempotent" | "keyed" | "once";

/** The items of a page, and the cursor of the next one. */
export interface Page<T> {
  items: T[];
  next: string | null | undefined;
}

export class Transport {
  private readonly url: string;
  private lastToken: string | undefined;

  constructor(
    url: string,
    private readonly key: string | undefined,
    private readonly timeoutMs: number,
    private readonly policy: RetryPolicy,
    private readonly fetch: typeof globalThis.fetch,
  ) {
    if (!/^https?:$/.test(new URL(url).protocol)) {
      throw new TypeError(`the URL must begin with http:// or https://: ${url}`);
    }
    this.url = url.replace(/\/+$/, "");
  }

  /** Sends one request, as the operations do, and returns the whole answer with its header. */
  async request(method: string, path: string, repeat: Repeat = "once", options: CallOptions = {}): Promise<Response> {
    const request = this.prepare(method, path, options);
    if (repeat === "keyed" && !request.headers.has("idempotency-key")) {
      request.headers.set("idempotency-key", uniqueKey());
    }
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.send(request);
      } catch (error) {
        const pause = repeat === "once" ? undefined : pauseMs(this.policy, attempt, error);
        if (pause === undefined) {
          throw error;
        }
        await this.policy.sleep(pause);
      }
    }
  }

  /** The token of the write that was answered last, for `after`. Writes that run at the same time have tokens of their own. */
  get token(): string | undefined {
    return this.lastToken;
  }

  protected async call<T>(method: string, path: string, repeat: Repeat, options: CallOptions): Promise<T> {
    const response = await this.request(method, path, repeat, options);
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.split(";")[0] === "application/json";
    return (text === "" ? undefined : isJson ? JSON.parse(text) : text) as T;
  }

  /** The items of all pages. Each page names the cursor of the next one, and the last page names none. */
  protected async *pages<T>(page: (cursor: string | undefined) => Promise<Page<T>>): AsyncGenerator<T> {
    let cursor: string | undefined;
    for (;;) {
      const { items, next } = await page(cursor);
      yield* items;
      if (!next) {
        return;
      }
      if (next === cursor) {
        throw new VitrineError("the server named the same page as the next one");
      }
      cursor = next;
    }
  }

  /** The events of a stream, until the server or the reader ends it. */
  protected async *stream(
    method: string,
    path: string,
    _repeat: Repeat,
    options: CallOptions,
  ): AsyncGenerator<ServerSentEvent> {
    const { url, headers } = this.prepare(method, path, options);
    headers.set("accept", "text/event-stream");
    const ending = new AbortController();
    try {
      const response = await this.fetch(url, { method, headers, signal: ending.signal, redirect: "error" });
      if (!response.ok) {
        throw await errorOf(response);
      }
      if (response.body !== null) {
        yield* parse(chunksOf(response.body));
      }
    } catch (error) {
      throw error instanceof VitrineError ? error : new ConnectionFailed(`the stream ended: ${error}`, { cause: error });
    } finally {
      ending.abort();
    }
  }

  private async send({ url, ...request }: Prepared): Promise<Response> {
    let response: Response;
    try {
      const signal = AbortSignal.timeout(this.timeoutMs);
      const answer = await this.fetch(url, { ...request, signal, redirect: "error" });
      // Read here, so that a connection that ends in the middle of the answer is a failed attempt.
      const body = await answer.arrayBuffer();
      const { status, statusText, headers } = answer;
      response = new Response(body.byteLength === 0 ? null : body, { status, statusText, headers });
      if (request.method !== "GET") {
        this.lastToken = (await tokenOf(response)) ?? this.lastToken;
      }
    } catch (error) {
      throw new ConnectionFailed(`${request.method} failed: ${error}`, { cause: error });
    }
    if (!response.ok) {
      throw await errorOf(response);
    }
    return response;
  }

  private prepare(method: string, path: string, options: CallOptions): Prepared {
    const headers = new Headers();
    for (const [name, value] of given(options.inHeader)) {
      headers.set(name, bytes(value));
    }
    if (this.key !== undefined) {
      headers.set("x-api-key", bytes(this.key));
    }
    let body: BodyInit | undefined;
    if (options.body !== undefined) {
      headers.set("content-type", options.mediaType ?? "application/json");
      body = options.mediaType === undefined ? JSON.stringify(options.body) : (options.body as BodyInit);
    }
    for (const [name, value] of given(options.inPath)) {
      path = path.replace(`{${name}}`, () => segment(value));
    }
    const query = new URLSearchParams(given(options.inQuery)).toString();
    return { url: this.url + path + (query && `?${query}`), method, headers, ...(body === undefined ? {} : { body }) };
  }
}

interface Prepared {
  url: string;
  method: string;
  headers: Headers;
  body?: BodyInit;
}

/** The token of a write: in the header, or in the answer itself. */
async function tokenOf(response: Response): Promise<string | undefined> {
  const inHeader = response.headers.get("vitrine-token");
  if (inHeader !== null || !response.headers.get("content-type")?.startsWith("application/json")) {
    return inHeader ?? undefined;
  }
  const text = await response.clone().text();
  const answer: unknown = text === "" ? null : JSON.parse(text);
  const token = typeof answer === "object" && answer !== null && "token" in answer ? answer.token : undefined;
  return typeof token === "string" ? token : undefined;
}

/** The chunks of a stream. Not every browser can iterate over a stream itself. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    yield value;
  }
}

/** A key that no other call has. It need not be secret; `randomUUID` is missing from Node.js 18 and from pages without TLS. */
function uniqueKey(): string {
  const part = () => Math.random().toString(36).slice(2);
  return globalThis.crypto?.randomUUID?.() ?? [Date.now().toString(36), part(), part(), part()].join("-");
}

function given(values: Values = {}): [string, string][] {
  const present = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return present.map(([name, value]) => [name, String(value)]);
}

/** A segment of a path. URLs resolve the segments `.` and `..`, however they are encoded. */
function segment(id: string): string {
  if (id === "." || id === "..") {
    throw new TypeError(`fetch cannot send the id ${id} in a path`);
  }
  return encodeURIComponent(id);
}

/** UTF-8 in the form in which `fetch` takes header fields: a character for each byte. */
function bytes(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
