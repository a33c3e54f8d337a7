import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MalformedError } from "../../../lib/errors.ts";
import { digestField, parseDigestField } from "../../../origin/digest_field.ts";

/** RFC 9530, B.1: `{"hello": "world"}` and a line feed. */
const EXAMPLE = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
const EXAMPLE_HEX = createHash("sha256").update('{"hello": "world"}\n').digest("hex");

Deno.test("digestField writes the example of RFC 9530", () => {
  assert.equal(digestField(EXAMPLE_HEX), EXAMPLE);
});

Deno.test("parseDigestField reads SHA-256, alone or among others", () => {
  assert.equal(parseDigestField(EXAMPLE), EXAMPLE_HEX);
  assert.equal(parseDigestField(`sha-512=:AAAA:, ${EXAMPLE}`), EXAMPLE_HEX);
  assert.equal(parseDigestField("sha-512=:AAAA:"), undefined);
  assert.equal(parseDigestField(undefined), undefined);
});

Deno.test("parseDigestField refuses what is no SHA-256", () => {
  for (
    const wrong of ["sha-256=", "sha-256=:AAAA:", "sha-256=abc", EXAMPLE.slice(0, -1), EXAMPLE.replace("RK", "R*")]
  ) {
    assert.throws(() => parseDigestField(wrong), MalformedError, wrong);
  }
});
