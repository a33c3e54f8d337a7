/**
 * Tallystick as a library: what a training script or another program needs to publish and load split resources, to make an
 * image archive, and to talk to the CDN.
 *
 * @example
 * ```ts
 * await using client = await ApiClient.open({ configPath: "config.yaml" });
 * await client.login();
 * await client.uploadBigSmallResource(model, "detector.onnx", "models", key);
 * const same = await client.loadBigSmallResource("detector.onnx", "models", key);
 * ```
 * @module
 */
export { ApiClient, type ApiClientOptions } from "./lib/training/api_client.ts";
export { CdnManager } from "./lib/training/cdn_manager.ts";
export { type ApiAccount, readApiAccount } from "./lib/training/config_file.ts";
export type { LoadedResource } from "./lib/resources/load.ts";
export type { PublishedResource } from "./lib/resources/upload.ts";
export type { ByteSource } from "./lib/cdn/store.ts";
export type { Bytes } from "./lib/bytes.ts";
export type { ByteStream } from "./lib/streams.ts";
export type { Environment } from "./lib/system/environment.ts";
export {
  type AccessKey,
  type CdnSettings,
  type DirectoryCdnSettings,
  type HttpCdnSettings,
  parseCdnFile,
  type S3CdnSettings,
} from "./lib/config/cdn_file.ts";
export { Secret } from "./lib/config/secret.ts";
export { type CbcTuning, decryptCbc, encryptCbc, encryptedSize } from "./lib/crypto/cbc_v1.ts";
export { aesKey, archiveKey, resourceKeyString } from "./lib/crypto/keys.ts";
export * from "./lib/errors.ts";
