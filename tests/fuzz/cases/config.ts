import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../lib/bytes.ts";
import { parseCdnFile } from "../../../lib/config/cdn_file.ts";
import { parseSettings, parseSettingsFile } from "../../../lib/config/config.ts";
import { parseDotenv } from "../../../lib/config/dotenv.ts";
import { OPTIONS, type SettingKey } from "../../../lib/config/options.ts";
import { PLATFORM_OPTIONS } from "../../../lib/config/platform_options.ts";
import { parsePlatformSettings } from "../../../lib/config/platform_settings.ts";
import { nearBytes, nearText } from "../mutation.ts";
import { asyncParserCase, named, type ParserCase, parserCase } from "../parser_case.ts";

const wrong = named("ConfigurationError");
const SETTINGS = "RESOURCE_API_URL: https://api.example.com\nAPI_VERSION: 1.10\nLIMIT_RATE: 2M\nJWT_VERIFY: 'off'\n";
const CDN = "host: https://cdn.example.com\ndownloader_access_key: 0012e4\ndownloader_access_secret: 'hush hush'\n" +
  "uploader_access_key: u\nuploader_access_secret: s\nregion: eu-1\n";
const HTTP_CDN = "type: http\nhost: http://127.0.0.1:9000/cdn\nuploader_token: hush\n";
const VALUES: Readonly<Record<string, string>> = {
  RESOURCE_API_URL: "https://api.example.com",
  HOST: "127.0.0.1",
  PORT: "8080",
  IMAGES: "azaion/flights,azaion/detections",
  MODEL_CACHE_QUOTA: "20G",
  DOCKER_HOST: "tcp://[::1]:2375",
  CALLER_AUTH: "bearer",
  JWT_ALGORITHMS: "ES256,EdDSA",
  IMAGES_RESOURCE: "images/all",
  MEDIA_DIRS: "/media/a,/media/b",
};
const PLATFORM_VALUES: Readonly<Record<string, string>> = {
  AIGNOSTICS_API_ROOT: "https://platform.example.com",
  AIGNOSTICS_REDIRECT_URI: "http://localhost:8989/",
  AIGNOSTICS_SCOPE: "offline_access, openid",
  AIGNOSTICS_REQUEST_TIMEOUT_SECONDS: "30",
  AIGNOSTICS_RUN_RETRY_ATTEMPTS: "4",
  AIGNOSTICS_STATUS_PAGE_URL: "https://status.example.com",
};

/** Settings of all kinds. */
export function configCases(): ParserCase[] {
  return [
    parserCase(
      "parseSettings()",
      ["lib/config/values.ts", "lib/config/config.ts", "lib/http/loopback.ts"],
      fc.tuple(
        fc.constantFrom(...Object.keys(VALUES)),
        nearText(...Object.values(VALUES)),
      ),
      {
        parse: ([name, text]) => {
          const values: Record<string, string> = { ...VALUES, [name]: text };
          return parseSettings({ flags: {}, environment: (wanted) => values[wanted], file: {} });
        },
        refusal: wrong,
        accepted: ({ resourceApiUrl, port, callerAuth, host }) => {
          assert.match(resourceApiUrl.protocol, /^https?:$/);
          assert.ok(port >= 0 && port <= 65535);
          assert.ok(
            callerAuth === "bearer" || /^(localhost|127\.|::1|\[::1)/.test(host),
            "a session stays on this machine",
          );
        },
      },
    ),
    parserCase(
      "every single setting",
      ["lib/config/values.ts", "lib/config/platform_options.ts"],
      fc.tuple(
        fc.constantFrom(...Object.values(OPTIONS), ...Object.values(PLATFORM_OPTIONS)),
        nearText(...Object.values(VALUES), ...Object.values(PLATFORM_VALUES), "libcrypto", "arm64", "2M", "1.10"),
      ),
      {
        parse: ([option, text]) => option.parse(text),
        refusal: (error) =>
          error instanceof Error && error.constructor === Error && /^(must|holds) /.test(error.message),
      },
    ),
    parserCase(
      "parsePlatformSettings()",
      ["lib/config/platform_settings.ts"],
      fc.tuple(
        fc.constantFrom(...Object.keys(PLATFORM_VALUES)),
        nearText(...Object.values(PLATFORM_VALUES)),
      ),
      {
        parse: ([name, text]) => {
          const values: Record<string, string> = { ...PLATFORM_VALUES, [name]: text };
          return parsePlatformSettings({ flags: {}, environment: (wanted) => values[wanted], files: [] });
        },
        refusal: wrong,
        accepted: ({ apiRoot }) => assert.ok(apiRoot.href.endsWith("/")),
      },
    ),
    asyncParserCase("parseSettingsFile()", ["lib/config/config.ts"], nearText(SETTINGS), {
      parse: (text) => parseSettingsFile("f", text),
      refusal: wrong,
      accepted: (values) => {
        for (const [name, value] of Object.entries(values)) assert.ok(typeof value === "string" && value !== "", name);
        assert.ok(Object.keys(values).every((name) => OPTIONS[name as SettingKey] !== null));
      },
    }),
    parserCase(
      "parseDotenv()",
      ["lib/config/dotenv.ts"],
      nearBytes(utf8("A=1\n# no\nB='two words'\nexport C=\"x\\ny\"\n")),
      {
        parse: parseDotenv,
        refusal: named("TypeError"), // no UTF-8: readDotenv() says which file
        accepted: (values) => Object.values(values).forEach((value) => assert.ok(value !== "")),
      },
    ),
    asyncParserCase(
      "parseCdnFile()",
      ["lib/config/cdn_file.ts"],
      nearText(CDN, HTTP_CDN, "host: file:///media/usb\n"),
      {
        parse: (yaml) => parseCdnFile(yaml),
        refusal: (error) => wrong(error) && !String(error).includes("hush"),
        accepted: (settings) => {
          if (settings.kind === "directory") return assert.ok(settings.path.startsWith("/"));
          assert.match((settings.kind === "s3" ? settings.endpoint : settings.baseUrl).protocol, /^https?:$/);
          const secret = settings.kind === "s3" ? settings.downloader.secret : settings.uploader;
          assert.ok(secret === undefined || /^\*+$/.test(String(secret)), "secrets do not show");
        },
      },
    ),
  ];
}
