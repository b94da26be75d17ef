// Server-sent events, as the server's streams send them.

/** One event of a stream. */
export interface ServerSentEvent {
  type: string;
  data: string;
  /** The id of the last event that had one; a later call can go on from there. */
  id: string;
}

/** The events in the chunks of a stream; comments and the field `retry` are passed over. */
export async function* parse(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  let event = { type: "message", data: [] as string[] };
  let id = "";
  for await (const line of lines(chunks)) {
    if (line === "") {
      if (event.data.length > 0) {
        yield { type: event.type, data: event.data.join("\n"), id };
      }
      event = { type: "message", data: [] };
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") {
      event.data.push(value);
    } else if (name === "event") {
      event.type = value;
    } else if (name === "id" && !value.includes("\0")) {
      id = value;
    }
  }
}

async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const whole = rest.split("\n");
    rest = whole.pop() ?? "";
    for (const line of whole) {
      yield line.endsWith("\r") ? line.slice(0, -1) : line;
    }
  }
}
