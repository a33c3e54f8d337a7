import { html } from "hono/html";
import type { Html, Page } from "./page.ts";

/** What the sign-in page shows. */
export interface SignInFacts {
  readonly client: string;
  /** What the person has typed before. */
  readonly email?: string | undefined;
  /** Why the person is asked again. */
  readonly fault?: string | undefined;
}

/** Asks who somebody is. */
export function signInPage({ client, email, fault }: SignInFacts): Page {
  return {
    title: "Sign in",
    body: html`
      ${alert(fault)}<p>to go on to <strong>${client}</strong></p>
      <form method="post">
        <label for="email">E-mail address</label>
        <input id="email" name="email" type="email" autocomplete="username" maxlength="254" required value="${email ??
          ""}">
        <label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" maxlength="128" required>
        <button class="main" name="action" value="sign-in">Sign in</button>
        <button name="action" value="cancel" formnovalidate>Cancel</button>
      </form>
    `,
  };
}

/** What the page of consent shows. */
export interface ConsentFacts {
  readonly client: string;
  readonly email: string;
  readonly organization: string;
  /** The client will get new tokens by itself. */
  readonly staysSignedIn: boolean;
}

/** Asks whether a client may act for somebody. */
export function consentPage({ client, email, organization, staysSignedIn }: ConsentFacts): Page {
  const lasting = staysSignedIn ? html`<li>stay signed in until you sign out of it</li>` : "";
  return {
    title: `Allow ${client}?`,
    body: html`
      <p>You are <strong>${email}</strong> of ${organization}.</p>
      <p><strong>${client}</strong> will be able to</p>
      <ul><li>act as you on the platform and its resources</li>${lasting}</ul>
      <form method="post">
        <button class="main" name="action" value="allow">Allow</button>
        <button name="action" value="switch">Use another account</button>
        <button name="action" value="cancel">Cancel</button>
      </form>
    `,
  };
}

/** What the two pages for a device's code share. */
export interface CodeForm {
  /** Where the form goes. */
  readonly action: string;
  /** Proves that the form was made for this browser. */
  readonly xsrf: string;
  readonly userCode?: string | undefined;
}

/** Asks for the code that a device shows. @param fault why it is asked again */
export function codePage({ action, xsrf, userCode }: CodeForm, fault?: string): Page {
  return {
    title: "Connect a device",
    body: html`
      ${alert(fault)}<p>Enter the code that the device shows.</p>
      <form method="post" action="${action}">
        <input type="hidden" name="xsrf" value="${xsrf}">
        <label for="user_code">Code</label>
        <input id="user_code" name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false"
          maxlength="32" required
          value="${userCode ?? ""}">
        <button class="main">Continue</button>
      </form>
    `,
  };
}

/** Asks whether the code is the one that the device shows. */
export function codeConfirmationPage({ action, xsrf, userCode = "" }: CodeForm, client: string): Page {
  return {
    title: "Is this your device?",
    body: html`
      <p><strong>${client}</strong> must show exactly this code:</p>
      <p><code>${userCode}</code></p>
      <p>Somebody else sent you here, or you have no such device? Then cancel.</p>
      <form method="post" action="${action}">
        <input type="hidden" name="xsrf" value="${xsrf}">
        <input type="hidden" name="user_code" value="${userCode}">
        <button class="main" name="confirm" value="yes">It is the same code</button>
        <button name="abort" value="yes">Cancel</button>
      </form>
    `,
  };
}

/** Says that a device is signed in. */
export function connectedPage(client: string): Page {
  return {
    title: "Connected",
    body: html`<p><strong>${client}</strong> is signed in. You can close this window and go back to it.</p>`,
  };
}

/** Says why nobody gets any further. */
export function faultPage(fault: string): Page {
  return { title: "This did not work", body: alert(fault) };
}

function alert(fault: string | undefined): Html {
  return fault === undefined ? html`` : html`<p role="alert">${fault}</p>`;
}
