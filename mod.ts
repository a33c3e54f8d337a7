/**
 * Tallystick as a library: what a training script or another program needs to publish and load split resources, to make an
 * image archive, and to talk to the CDN; and the client of the platform: applications, runs, results.
 *
 * @example Resources
 * ```ts
 * await using client = await ApiClient.open({ configPath: "config.yaml" });
 * await client.login();
 * await client.uploadBigSmallResource(model, "detector.onnx", "models", key);
 * const same = await client.loadBigSmallResource("detector.onnx", "models", key);
 * ```
 *
 * @example The platform
 * ```ts
 * const { client } = await Service.open();
 * const run = await client.runs.submit({ applicationId: "checksum", items, tags: ["trial"] });
 * await run.wait({ onChange: ({ state, statistics }) => console.log(state, statistics) });
 * await run.downloadToFolder("results");
 * for await (const { run_id, state } of client.runs.listData({ customMetadata: tagsFilter(["trial"]) })) console.log(run_id, state);
 * ```
 * @module
 */
export { ApiClient, type ApiClientOptions } from "./lib/training/api_client.ts";
export { CdnManager } from "./lib/training/cdn_manager.ts";
export { type ApiAccount, readApiAccount } from "./lib/training/config_file.ts";
export type { LoadedResource } from "./lib/resources/load.ts";
export type { LoadSource } from "./lib/cdn/media.ts";
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
export type { Reach } from "./lib/http/address_guard.ts";
export { Secret } from "./lib/config/secret.ts";
export { type CbcTuning, decryptCbc, encryptCbc, encryptedSize } from "./lib/crypto/cbc_v1.ts";
export { aesKey, archiveKey, type CbcKey, resourceKeyString } from "./lib/crypto/keys.ts";
export type { Libcrypto } from "./lib/crypto/libcrypto.ts";
export * from "./lib/errors.ts";
export {
  InvalidInputError as ValidationError,
  NotSignedInError as AuthenticationError,
  UnavailableError as NetworkError,
} from "./lib/errors.ts";

export { Client, type ClientOptions } from "./lib/platform/client.ts";
export { readSettings, Service, type ServiceInfo, type ServiceOptions } from "./lib/platform/service.ts";
export { Applications } from "./lib/platform/applications.ts";
export { type ApplicationOrId, Versions } from "./lib/platform/versions.ts";
export { type DocumentName, Documents } from "./lib/platform/documents.ts";
export { Inputs } from "./lib/platform/inputs.ts";
export { type RunFilter, Runs } from "./lib/platform/runs.ts";
export {
  type MetadataUpdate,
  type ResultFilter,
  Run,
  Run as ApplicationRun,
  type WaitOptions,
} from "./lib/platform/run.ts";
export {
  type GrantFilter,
  Grants,
  type GrantSubject,
  type ShareTokenFilter,
  ShareTokens,
} from "./lib/platform/sharing.ts";
export type { RunSubmission } from "./lib/platform/submission.ts";
export type { RunLabels } from "./lib/platform/sdk_metadata.ts";
export type { ListOptions, ReadOptions } from "./lib/platform/reading.ts";
export type { ComponentHealth, Health, HealthStatus } from "./lib/platform/health.ts";
export { noteFilter, tagsFilter } from "./lib/platform/metadata_filter.ts";
export { masked, maskMe } from "./lib/platform/masking.ts";
export { maskUserInfo, type TokenInfo, type UserInfo } from "./lib/platform/user_info.ts";
export type { ArtifactOutcome, RunDownload, RunDownloadOptions } from "./lib/platform/downloads.ts";
export { downloadFailure } from "./lib/platform/downloads.ts";
export { parseRate, RateLimit } from "./lib/http/rate_limit.ts";
export {
  type ObjectUri,
  parseObjectUri,
  type SignedUrlOptions,
  type Signers,
  signObjectUrl,
} from "./lib/platform/signed_url.ts";
export { parseServiceAccount, type ServiceAccount } from "./lib/platform/gcs_signed_url.ts";
export type { JsonObject, Word } from "./lib/platform/wire.ts";
export type { Me, OrganizationData, UserData } from "./lib/platform/account_wire.ts";
export type {
  Application,
  ApplicationSummary,
  DocumentData,
  InputArtifactKind,
  OutputArtifactKind,
  VersionData,
  VersionName,
} from "./lib/platform/application_wire.ts";
export type {
  InputArtifact,
  InputArtifactResult,
  ItemCreation,
  ItemResult,
  OutputArtifactResult,
  RunData,
  RunStatistics,
  RunTerminationReason,
  Scheduling,
  State,
  TerminationReason,
} from "./lib/platform/run_wire.ts";
export type {
  GrantData,
  NewShareToken,
  Relation,
  ResourceType,
  ShareTokenData,
  SubjectType,
} from "./lib/platform/sharing_wire.ts";
export type {
  GivenOAuth,
  PlatformCacheTtls,
  PlatformSettings,
  PlatformSettings as Settings,
  PlatformTimeouts,
  RetriedArea,
} from "./lib/config/platform_settings.ts";
export type { KnownEnvironment } from "./lib/config/platform_environments.ts";
export type { RetryPolicy } from "./lib/http/retry.ts";
export type { TokenProvider } from "./lib/auth/token_provider.ts";
export type { SignInUi } from "./lib/auth/platform_session.ts";
export type { OpenBrowser } from "./lib/auth/browser_flow.ts";
export type { DevicePrompt } from "./lib/auth/device_flow.ts";
export type { Clock } from "./lib/system/clock.ts";
