// Which calls are sent again, and after how long.

import { ApiError, ConnectionFailed } from "./errors.js";

/** Answers after which another attempt may succeed. */
const STATUSES = new Set([429, 502, 503, 504]);

/** The caller has said how long to wait, or how old a list may be: another attempt would not be what was asked for. */
const NOT_REPEATED = /(not-visible-yet|too-old)$/;

/**
 * How often a call that may be repeated is sent, with longer and longer pauses between the attempts.
 *
 * The pause before attempt n + 1 is a random part of `baseMs * 2 ** (n - 1)`, at most `pauseMsMax`, and at least what the
 * header `Retry-After` asks for. If that is more than `pauseMsMax`, the call fails at once.
 */
export interface RetryPolicy {
  attempts: number;
  baseMs: number;
  pauseMsMax: number;
  sleep: (ms: number) => Promise<void>;
  random: () => number;
}

export const DEFAULT_POLICY: RetryPolicy = {
  attempts: 4,
  baseMs: 100,
  pauseMsMax: 10_000,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: Math.random,
};

/** The pause after attempt number `attempt`, from 1, has failed; undefined if there is no other attempt. */
export function pauseMs(policy: RetryPolicy, attempt: number, error: unknown): number | undefined {
  if (attempt >= policy.attempts || !isPassing(error)) {
    return undefined;
  }
  const least = error instanceof ApiError ? retryAfterMs(error.headers.get("retry-after")) : 0;
  if (least > policy.pauseMsMax) {
    return undefined;
  }
  return Math.max(least, policy.random() * Math.min(policy.baseMs * 2 ** (attempt - 1), policy.pauseMsMax));
}

/** Whether another attempt may succeed. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) {
    return STATUSES.has(error.status) && !NOT_REPEATED.test(error.slug);
  }
  return error instanceof ConnectionFailed;
}

/** The milliseconds of a header `Retry-After`, which holds seconds or a date; 0 if it is missing or neither. */
export function retryAfterMs(value: string | null): number {
  if (value === null) {
    return 0;
  }
  if (/^\d+$/.test(value)) {
    return Number(value) * 1000;
  }
  const at = /^[A-Z][a-z]{2}, /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
}
