// What a call can throw.

const PREFIX = "urn:vitrine:problem:";

/** A call failed. */
export class VitrineError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The server could not be reached, or the connection ended before the answer did. `cause` says why. */
export class ConnectionFailed extends VitrineError {}

/** The members of a problem of RFC 9457. */
export interface ProblemMembers {
  type?: string;
  title?: string;
  detail?: string;
  field?: string | null;
  index?: number | null;
  [member: string]: unknown;
}

/** The server answered with an error: a problem of RFC 9457. */
export class ApiError extends VitrineError {
  /** The end of the problem's type, such as `unknown-category`; empty if the answer comes from something before the server. */
  readonly slug: string;
  /** What is wrong with this request. */
  readonly detail: string;
  /** The field at fault, if there is one. */
  readonly field: string | undefined;
  /** The index of the event or row at fault, if there is one. */
  readonly index: number | undefined;

  constructor(
    readonly status: number,
    readonly problem: ProblemMembers,
    readonly headers: Headers,
  ) {
    const type = problem.type ?? "about:blank";
    const slug = type.startsWith(PREFIX) ? type.slice(PREFIX.length) : "";
    super(`${status} ${slug || (problem.title ?? "")}: ${problem.detail ?? ""}`);
    this.slug = slug;
    this.detail = problem.detail ?? "";
    this.field = problem.field ?? undefined;
    this.index = problem.index ?? undefined;
  }
}

/** 400: the request is malformed. */
export class BadRequest extends ApiError {}
/** 401: the key is missing or not valid. */
export class Unauthorized extends ApiError {}
/** 403: the key does not allow this call. */
export class Forbidden extends ApiError {}
/** 404: nothing is there. */
export class NotFound extends ApiError {}
/** 409: the state of the server does not allow this call. */
export class Conflict extends ApiError {}
/** 412: the resource has changed since it was read. */
export class PreconditionFailed extends ApiError {}
/** 422: the body cannot be used. */
export class InvalidBody extends ApiError {}
/** 429: the key has made too many calls. */
export class TooManyRequests extends ApiError {}
/** 503: the server cannot answer now. */
export class Unavailable extends ApiError {}

const BY_STATUS: Record<number, typeof ApiError> = {
  400: BadRequest,
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  412: PreconditionFailed,
  422: InvalidBody,
  429: TooManyRequests,
  503: Unavailable,
};

/** The error for an answer. A proxy between client and server may answer without a problem. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  const kind = BY_STATUS[response.status] ?? ApiError;
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
  const problem = (isProblem && membersOf(text)) || { title: response.statusText, detail: text.slice(0, 200) };
  return new kind(response.status, problem, response.headers);
}

function membersOf(text: string): ProblemMembers | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as ProblemMembers) : undefined;
  } catch {
    return undefined;
  }
}
