import { z } from "zod";

/** Addresses on the link; no other network has them, since nothing leads out of the namespaces. */
const DEVICE_ADDRESS = "10.213.7.1";
export const SERVER_ADDRESS = "10.213.7.2";
const OTHER_DEVICE_ADDRESS = "10.213.7.3";
const LINK = "veth0";
const statistics = z.tuple([
  z.object({ stats64: z.object({ rx: z.object({ bytes: z.int() }), tx: z.object({ bytes: z.int() }) }) }),
]);

/** Programs that namespaces are made with, by their absolute paths. */
export interface NamespacePrograms {
  readonly ip: string;
  readonly iptables: string;
}

/** Two network namespaces and a link between them: a device in one, servers in the other. Dispose it: both go, and all that runs in them must have ended. */
export class NamespacePair implements AsyncDisposable {
  readonly #programs: NamespacePrograms;
  readonly #id = crypto.randomUUID().slice(0, 8);

  private constructor(programs: NamespacePrograms) {
    this.#programs = programs;
  }

  static async make(programs: NamespacePrograms): Promise<NamespacePair> {
    const pair = new NamespacePair(programs);
    await pair.#ip("netns", "add", pair.device);
    await pair.#ip("netns", "add", pair.server);
    await pair.#ip("-n", pair.device, "link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", pair.server);
    for (const [name, address] of [[pair.device, DEVICE_ADDRESS], [pair.server, SERVER_ADDRESS]] as const) {
      await pair.#ip("-n", name, "addr", "add", `${address}/24`, "dev", LINK);
      await pair.#ip("-n", name, "link", "set", "lo", "up");
      await pair.#ip("-n", name, "link", "set", LINK, "up");
    }
    return pair;
  }

  get device(): string {
    return `tally-d-${this.#id}`;
  }

  get server(): string {
    return `tally-s-${this.#id}`;
  }

  /** Program and arguments that run a program in one of the namespaces. */
  within(namespace: string, program: string, args: readonly string[]): [program: string, args: string[]] {
    return [this.#programs.ip, ["netns", "exec", namespace, program, ...args]];
  }

  /** Pulls the plug, or puts it in again. */
  async link(state: "up" | "down"): Promise<void> {
    await this.#ip("-n", this.device, "link", "set", LINK, state);
  }

  /** Gives the device another address in place of its own. */
  async newAddress(): Promise<void> {
    await this.#ip("-n", this.device, "addr", "del", `${DEVICE_ADDRESS}/24`, "dev", LINK);
    await this.#ip("-n", this.device, "addr", "add", `${OTHER_DEVICE_ADDRESS}/24`, "dev", LINK);
  }

  /** Lets no more than this through, in each direction; everything without it. */
  async rate(rate: string | undefined): Promise<void> {
    for (const name of [this.device, this.server]) {
      await this.#run(
        "tc",
        name,
        rate === undefined
          ? ["qdisc", "del", "dev", LINK, "root"]
          : ["qdisc", "replace", "dev", LINK, "root", "tbf", "rate", rate, "burst", "32kb", "latency", "400ms"],
      );
    }
  }

  /** Loses this share of all packets, in each direction. */
  async lose(share: number): Promise<void> {
    const rule = [
      "INPUT",
      "-i",
      LINK,
      "-m",
      "statistic",
      "--mode",
      "random",
      "--probability",
      String(share),
      "-j",
      "DROP",
    ];
    for (const name of [this.device, this.server]) await this.#run(this.#programs.iptables, name, ["-A", ...rule]);
  }

  /** Loses nothing any more. */
  async loseNothing(): Promise<void> {
    for (const name of [this.device, this.server]) await this.#run(this.#programs.iptables, name, ["-F", "INPUT"]);
  }

  /** Bytes that the device has received and sent over the link. */
  async passedBytes(): Promise<{ received: number; sent: number }> {
    const text = await this.#ip("-n", this.device, "-s", "-j", "link", "show", "dev", LINK);
    const [{ stats64: { rx, tx } }] = statistics.parse(JSON.parse(text));
    return { received: rx.bytes, sent: tx.bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ip("netns", "del", this.device);
    await this.#ip("netns", "del", this.server);
  }

  #run(program: string, namespace: string, args: readonly string[]): Promise<string> {
    return this.#ip("netns", "exec", namespace, program, ...args);
  }

  async #ip(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(this.#programs.ip, { args }).output();
    if (success) return new TextDecoder().decode(stdout);
    throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}
