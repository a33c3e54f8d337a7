/** One segment of a path as it stands in a request: none of them is a name, in whatever way somebody takes it apart. */
export const HOSTILE_SEGMENTS: readonly string[] = [
  ...[
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2fetc%2fpasswd",
    "%252e%252e%252fetc",
    "..%5c..%5cetc",
    "..\\..\\etc",
  ],
  ...["%c0%ae%c0%ae%c0%afetc", "%e0%80%ae%e0%80%ae%2f", "%c1%9c", "%ff%fe", "%ed%a0%80"], // overlong, and no UTF-8
  ...["a%00", "%00", "a%00.onnx", "a%0d%0aSet-Cookie:%20x=y", "a%0a", "a%7f"],
  ...[
    "%e2%80%a5%2f",
    "%e2%80%a4%e2%80%a4",
    "%ef%bc%8e%ef%bc%8e",
    "a%e2%80%aeb",
    "%ef%bb%bfa",
    "a%cc%88",
    "%F0%9F%98%80",
  ],
  ...[
    "..;",
    "..;/a",
    "a;v=1",
    "a%3bb",
    "a%3fb",
    "a%23b",
    "a%2fb",
    "%2fetc%2fpasswd",
    "~root",
    "a~",
    ".a",
    "-a",
    "_a",
    "a%20",
  ],
  ...[
    "%",
    "%2",
    "%zz",
    "%u002e%u002e",
    "a%25",
    "$(id)",
    "%60id%60",
    "a'b",
    "a%22b",
    "{a}",
    "%7b%7d",
    "a,b",
    "x".repeat(5_000),
  ],
];

/** A request that nobody has sent: it stands in the body of another one, and must not be answered. */
export const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** Heads whose length is told in two ways, or in none that counts. */
export const AMBIGUOUS_HEADS: readonly string[] = [
  "Content-Length: 2\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: chunked\r\nContent-Length: 2",
  "Content-Length: 2\r\nContent-Length: 60",
  "Content-Length: 2, 60",
  "Content-Length: +2",
  "Content-Length: 0x2",
  "Content-Length: -1",
  "Content-Length: 2 2",
  "Content-Length: 99999999999999999999",
  "Transfer-Encoding: identity\r\nContent-Length: 2",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
  "X: y\r\n Transfer-Encoding: chunked",
  "Content-Length: 2\nTransfer-Encoding: chunked",
  "X: y\rTransfer-Encoding: chunked",
];
