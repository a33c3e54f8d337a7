import type { OidcContext, ProviderClient } from "./library.ts";
import { type Page, pageHeaders, renderPage } from "./page.ts";
import { codeConfirmationPage, type CodeForm, codePage, connectedPage, faultPage } from "./pages.ts";

/** Name under which the code of a complete verification address reaches the page: the package's own page would need a script. */
export const PREFILLED_CODE = "code";

/** What the package tells of an error. */
interface Told {
  readonly error: string;
  readonly error_description?: string;
}

/** Status of the page that asks again, because no device has the code. */
export const UNKNOWN_CODE_STATUS = 422;

const UNKNOWN_CODE = "the code was not found";
/** By the message of the package: a minifier takes the names of its classes. */
const CODE_FAULTS: Readonly<Record<string, string>> = {
  "no code submitted": "Enter the code that the device shows.",
  [UNKNOWN_CODE]: "There is no such code. Look again, and mind that codes are good for ten minutes.",
  "the code has expired": "This code has expired. Start again on the device.",
  "code has already been used": "This code was used already. Start again on the device.",
  "the interaction was aborted": "The device was not signed in. You can close this window.",
};
const CODE_ROUTES: readonly string[] = ["code_verification", "device_resume"];
const OTHER_FAULT = "This did not work. Start again on the device.";

/** The pages of the device flow, as `features.deviceFlow` takes them. @see RFC 8628, 3.3 */
export const deviceSources = {
  userCodeInputSource: async (context: OidcContext, _form: string, _out?: Told, error?: Error): Promise<void> => {
    const prefilled = context.query[PREFILLED_CODE];
    const userCode = typeof prefilled === "string" ? prefilled : undefined;
    const fault = error === undefined ? undefined : CODE_FAULTS[error.message] ?? OTHER_FAULT;
    if (error?.message === UNKNOWN_CODE) context.status = UNKNOWN_CODE_STATUS;
    await showPage(context, codePage({ ...formOf(context), userCode }, fault));
  },
  userCodeConfirmSource: async (
    context: OidcContext,
    _form: string,
    client: ProviderClient,
    _deviceInfo: object,
    userCode: string,
  ): Promise<void> => {
    await showPage(context, codeConfirmationPage({ ...formOf(context), userCode }, nameOf(client)));
  },
  successSource: async (context: OidcContext): Promise<void> => {
    await showPage(context, connectedPage(nameOf(context.oidc?.client)));
  },
};

/**
 * A middleware for the form of a device's code when it comes without a session, or with one that has expired: the package cannot
 * keep what it wants to keep in it, and fails.
 */
export async function refuseStrayCode(context: OidcContext, next: () => Promise<void>): Promise<void> {
  try {
    await next();
  } catch (error) {
    const { oidc } = context;
    if (!CODE_ROUTES.includes(oidc?.route ?? "") || oidc?.session?.new !== true) throw error;
    context.status = 400;
    await showPage(context, faultPage("This form has expired, or was begun in another browser. Enter the code again."));
  }
}

/** The page of an error that no client can be told. */
export async function renderError(context: OidcContext, { error, error_description }: Told): Promise<void> {
  await showPage(context, faultPage(`${error_description ?? error}.`));
}

/** Answers with a page. @param sentOnTo see {@link pageHeaders} */
export async function showPage(context: OidcContext, page: Page, sentOnTo?: string): Promise<void> {
  context.set(pageHeaders(sentOnTo));
  context.type = "html";
  context.body = await renderPage(page);
}

/** What a client is called. */
export function nameOf(client: ProviderClient | undefined): string {
  return client?.clientName ?? client?.clientId ?? "The program";
}

function formOf({ oidc }: OidcContext): CodeForm {
  return { action: oidc?.urlFor("code_verification") ?? "", xsrf: oidc?.session?.state?.secret ?? "" };
}
