/**
 * Gives the raw bearer token for one request. Called once per request, at the same time by several of them; it decides by
 * itself what to keep. `signal` ends the wait of this caller.
 * @throws {NotSignedInError} nobody is signed in, or a sign-in was refused; whatever else keeps it from a token
 */
export type TokenProvider = (signal: AbortSignal) => Promise<string>;
