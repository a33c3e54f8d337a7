import { utf8 } from "../../lib/bytes.ts";
import { collect, streamOf } from "../../lib/streams.ts";
import { decryptCbc, encryptCbc } from "../../lib/crypto/cbc_v1.ts";
import { aesKey, sha256Hex } from "../../lib/crypto/keys.ts";
import { openLibcrypto } from "../../lib/crypto/libcrypto.ts";

const SIZE_BYTES = 300_001;
const LIMIT_BYTES = 1024 * 1024;

// Encrypts something known and decrypts it both ways; prints the digests, the processor, and what another library gets.
const [path = "", other = ""] = Deno.args;
using library = await openLibcrypto(path);
const plain = Uint8Array.from({ length: SIZE_BYTES }, (_, index) => index * 7 + (index >> 8));
const [key, fastKey] = [await aesKey("probe"), await aesKey("probe", library)];
const encrypted = await collect(encryptCbc(streamOf(plain), key, new Uint8Array(16)), LIMIT_BYTES);
const opened = await collect(decryptCbc(streamOf(encrypted), key), LIMIT_BYTES);
const fast = await collect(decryptCbc(streamOf(encrypted), fastKey), LIMIT_BYTES);
const refused = await openLibcrypto(other).then(() => "opened", (error) => error.message);
const report = {
  ...{ architecture: Deno.build.arch, refused },
  ...{ encrypted: await sha256Hex(encrypted), opened: await sha256Hex(opened), fast: await sha256Hex(fast) },
};
await Deno.stdout.write(utf8(JSON.stringify(report)));
