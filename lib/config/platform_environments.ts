/** Names of the known installations of the platform, and of our own origin. */
export type KnownEnvironment = "production" | "staging" | "development" | "test" | "embedded";

/** What is known of an environment without asking it. */
export interface EnvironmentFacts {
  /** Address of the platform API; `undefined` where it differs from one installation to the next. */
  readonly apiRoot: string | undefined;
  readonly audience: string;
  /** The `iss` of its tokens, above all endpoints; `undefined` where the endpoints are discovered. */
  readonly issuer: string | undefined;
  /** Public client of people who sign in with a browser. */
  readonly clientIdInteractive: string;
  readonly clientIdDevice: string | undefined;
  readonly statusPageUrl: string | undefined;
}

/** Endpoints below an issuer of Auth0, which all known installations use. */
export const AUTH0_PATHS = {
  authorizationBaseUrl: "authorize",
  tokenUrl: "oauth/token",
  deviceUrl: "oauth/device/code",
  jwsJsonUrl: ".well-known/jwks.json",
  revocationUrl: "oauth/revoke",
} as const;

/** Where a browser brings the answer of the issuer, in every environment. */
export const REDIRECT_URI = "http://localhost:8989/";

const DEVELOPMENT = {
  audience: "https://dev-8ouohmmrbuh2h4vu-samia",
  issuer: "https://dev-8ouohmmrbuh2h4vu.eu.auth0.com/",
  clientIdInteractive: "gqduveFvx7LX90drQPGzr4JGUYdh24gA",
  clientIdDevice: undefined,
  statusPageUrl: undefined,
} as const;

/** The known environments. `embedded` is what `tally origin` serves. */
export const ENVIRONMENTS: Readonly<Record<KnownEnvironment, EnvironmentFacts>> = {
  production: {
    apiRoot: "https://platform.aignostics.com",
    audience: "https://aignostics-platform-samia",
    issuer: "https://aignostics-platform.eu.auth0.com/",
    clientIdInteractive: "YtJ7F9lAtxx16SZGQlYPe6wcjlXB78MM",
    clientIdDevice: undefined,
    statusPageUrl: "https://status.platform.aignostics.com",
  },
  staging: {
    apiRoot: "https://platform-staging.aignostics.com",
    audience: "https://aignostics-platform-staging-samia",
    issuer: "https://aignostics-platform-staging.eu.auth0.com/",
    clientIdInteractive: "fQkbvYzQPPVwLxc3uque5JsyFW00rJ7b",
    clientIdDevice: undefined,
    statusPageUrl: "https://status.platform-staging.aignostics.com",
  },
  development: { apiRoot: "https://platform-dev.aignostics.ai", ...DEVELOPMENT },
  test: { apiRoot: "https://platform-test.aignostics.ai", ...DEVELOPMENT },
  embedded: {
    apiRoot: undefined,
    audience: "https://tallystick-platform",
    issuer: undefined,
    clientIdInteractive: "tallystick-cli",
    clientIdDevice: "tallystick-cli",
    statusPageUrl: undefined,
  },
};
