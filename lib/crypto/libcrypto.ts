import type { Bytes } from "../bytes.ts";
import { ConfigurationError, messageOf } from "../errors.ts";

const BLOCK_BYTES = 16;
const COUNT_BYTES = 4;
const SUCCESS = 1;

/** Functions of OpenSSL's libcrypto, version 3. @see EVP_EncryptInit(3) */
const SYMBOLS = {
  EVP_aes_256_cbc: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_CIPHER_CTX_set_padding: { parameters: ["pointer", "i32"], result: "i32" },
  EVP_DecryptInit_ex: { parameters: ["pointer", "pointer", "pointer", "buffer", "buffer"], result: "i32" },
  EVP_DecryptUpdate: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "i32",
    nonblocking: true, // the only one that takes long
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** OpenSSL's own AES, which uses the processor's AES instructions where Deno's does not (ARM64). Disposed of only when nothing is being decrypted. */
export interface Libcrypto extends Disposable {
  /** AES-256-CBC of whole blocks, without padding. */
  decryptBlocks(key: Bytes, iv: Bytes, blocks: Bytes): Promise<Bytes>;
}

/**
 * Opens libcrypto by its absolute path, and tries it on one block.
 * @throws {ConfigurationError} it is missing, the sandbox refuses it, it is another library, or it decrypts wrongly
 */
export async function openLibcrypto(path: string): Promise<Libcrypto> {
  try {
    const library = bind(Deno.dlopen(path, SYMBOLS));
    await tryOut(library);
    return library;
  } catch (error) {
    throw new ConfigurationError([`Cannot use "${path}" as libcrypto: ${messageOf(error)}`], { cause: error });
  }
}

function bind(library: Deno.DynamicLibrary<typeof SYMBOLS>): Libcrypto {
  const { symbols } = library;
  const algorithm = symbols.EVP_aes_256_cbc();
  return {
    async decryptBlocks(key, iv, blocks) {
      const context = symbols.EVP_CIPHER_CTX_new();
      try {
        check(symbols.EVP_DecryptInit_ex(context, algorithm, null, key, iv));
        check(symbols.EVP_CIPHER_CTX_set_padding(context, 0));
        const plain = new Uint8Array(blocks.byteLength);
        const count = new Uint8Array(COUNT_BYTES);
        check(await symbols.EVP_DecryptUpdate(context, plain, count, blocks, blocks.byteLength));
        return plain;
      } finally {
        symbols.EVP_CIPHER_CTX_free(context);
      }
    },
    [Symbol.dispose]: () => library.close(),
  };
}

function check(result: number): void {
  if (result !== SUCCESS) throw new Error("libcrypto refused an operation of AES-256-CBC");
}

/** One block that WebCrypto has encrypted. */
async function tryOut(library: Libcrypto): Promise<void> {
  const raw = new Uint8Array(2 * BLOCK_BYTES).fill(1);
  const [iv, plain] = [new Uint8Array(BLOCK_BYTES).fill(2), new Uint8Array(BLOCK_BYTES).fill(3)];
  const key = await crypto.subtle.importKey("raw", raw, "AES-CBC", false, ["encrypt"]);
  const encrypted = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, plain));
  const opened = await library.decryptBlocks(raw, iv, encrypted.slice(0, BLOCK_BYTES));
  if (opened.toHex() !== plain.toHex()) throw new Error("it decrypts a known block to something else");
}
