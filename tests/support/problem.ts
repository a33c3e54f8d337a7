import assert from "node:assert/strict";
import { recordOutput } from "./witness.ts";

/** A problem body as it came. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: { field: string; detail: string }[];
}

/** Asserts that an answer is a whole RFC 9457 problem with that status and code, and returns it. */
export async function assertProblem(answer: Response, status: number, code: string, what = ""): Promise<Problem> {
  const text = recordOutput(`problem body of ${new URL(answer.url).pathname}`, await answer.text());
  assert.equal(answer.status, status, `${what} ${text}`);
  assert.equal(answer.headers.get("content-type"), "application/problem+json", what);
  const problem: Problem = JSON.parse(text);
  assert.equal(problem.status, status, what);
  assert.equal(problem.code, code, what);
  assert.ok(problem.title.length > 0 && problem.detail.length > 0 && problem.type === `/docs#${code}`, text);
  return problem;
}
