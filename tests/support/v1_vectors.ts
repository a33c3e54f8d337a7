import vectors from "../fixtures/v1.json" with { type: "json" };

/**
 * Outside vectors of the v1 formats, made by two independent implementations (Python `cryptography` and OpenSSL).
 * Plaintexts are given by seed and length, see `keystream`.
 */
export const V1 = vectors;
