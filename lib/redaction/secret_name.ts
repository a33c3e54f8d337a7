/** Parts of a name in lower case, without dashes and underscores. */
const SECRET_PARTS = new RegExp(
  [
    ...[
      "pass",
      "pwd",
      "secret",
      "token",
      "authorization",
      "authorisation",
      "cookie",
      "fragment",
      "private",
      "credential",
    ],
    ...[
      "signature",
      "apikey",
      "accesskey",
      "masterkey",
      "signingkey",
      "contentkey",
      "encryptionkey",
      "jwt",
      "assertion",
    ],
    ...["bearer", "^cek$", "^sig$", "^otp$", "^pin$"],
  ].join("|"),
);

/** Whether a field of this name holds a secret: `password`, `accessToken`, `Set-Cookie`, `X-API-Key`, … */
export function isSecretName(name: string): boolean {
  return SECRET_PARTS.test(name.toLowerCase().replaceAll(/[-_ .]/g, ""));
}
