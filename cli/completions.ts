import type { Command, Option } from "commander";

/** A flag as a shell completes it. */
export interface CompletionFlag {
  /** `--output`, `-o`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
}

/** A verb, with all that may follow it. */
export interface CompletionNode {
  /** `tally origin init`. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly flags: readonly CompletionFlag[];
  /** Words that the first argument can be. */
  readonly choices: readonly string[];
  readonly children: readonly CompletionNode[];
}

/** The tree of verbs, as far as its help shows it. */
export function readTree(command: Command, parent?: CompletionNode): CompletionNode {
  const help = command.createHelp();
  const path = parent === undefined ? command.name() : `${parent.path} ${command.name()}`;
  const node = {
    path,
    name: command.name(),
    description: command.description(),
    flags: [...help.visibleOptions(command).map(readFlag), ...(parent?.flags.filter((flag) => !isHelp(flag)) ?? [])],
    choices: command.registeredArguments[0]?.argChoices ?? [],
  };
  return { ...node, children: command.commands.map((child) => readTree(child, { ...node, children: [] })) };
}

function readFlag({ short, long, description, required }: Option): CompletionFlag {
  return { names: [long, short].filter((name) => name !== undefined), description, takesValue: required };
}

function isHelp({ names }: CompletionFlag): boolean {
  return names.includes("--help");
}

function everyNode(root: CompletionNode): CompletionNode[] {
  return [root, ...root.children.flatMap(everyNode)];
}

function wordsOf({ children, choices }: CompletionNode): string[] {
  return [...children.map((child) => child.name), ...choices];
}

/** A script for bash, which needs nothing but bash itself. */
export function bashScript(root: CompletionNode): string {
  const nodes = everyNode(root);
  return `# bash completion of ${root.name}
_${root.name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path=${root.name} word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${nodes.slice(1).map(({ path }) => `      "${path}") path="$path $word" ;;`).join("\n")}
    esac
  done
  local words="" flags="" valued=""
  case "$path" in
${nodes.map(bashCase).join("\n")}
  esac
  COMPREPLY=()
  case " $valued " in
    *" $previous "*) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _${root.name} ${root.name}
`;
}

function bashCase(node: CompletionNode): string {
  const names = (flags: readonly CompletionFlag[]) => flags.flatMap((flag) => flag.names).join(" ");
  const valued = names(node.flags.filter((flag) => flag.takesValue));
  return `    "${node.path}") words="${wordsOf(node).join(" ")}" flags="${names(node.flags)}" valued="${valued}" ;;`;
}

/** A script for zsh, to be found in `$fpath` or sourced after compinit. */
export function zshScript(root: CompletionNode): string {
  return `#compdef ${root.name}
_${root.name}() {
  local path_so_far=${root.name} word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$path_so_far $word" in
${
    everyNode(root).slice(1).map(({ path }) => `      (${zshQuote(path)}) path_so_far="$path_so_far $word" ;;`).join(
      "\n",
    )
  }
    esac
  done
  local -a entries flags
  local valued=""
  case "$path_so_far" in
${everyNode(root).map(zshCase).join("\n")}
  esac
  if [[ " $valued " == *" \${words[CURRENT-1]} "* ]]; then
    _files
  elif [[ $PREFIX == -* ]]; then
    _describe -o flag flags
  elif (( $#entries )); then
    _describe command entries
  else
    _files
  fi
}
if [[ $funcstack[1] == _${root.name} ]]; then _${root.name} "$@"; else compdef _${root.name} ${root.name}; fi
`;
}

function zshCase(node: CompletionNode): string {
  const entry = (name: string, description: string) => zshQuote(`${name.replaceAll(":", "\\:")}:${description}`);
  const entries = [
    ...node.children.map((child) => entry(child.name, child.description)),
    ...node.choices.map((choice) => zshQuote(choice)),
  ];
  const flags = node.flags.flatMap(({ names, description }) => names.map((name) => entry(name, description)));
  const valued = node.flags.filter((flag) => flag.takesValue).flatMap((flag) => flag.names);
  return `    (${zshQuote(node.path)})
      entries=(${entries.join(" ")})
      flags=(${flags.join(" ")})
      valued=${zshQuote(valued.join(" "))} ;;`;
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A script for fish. */
export function fishScript(root: CompletionNode): string {
  const lines = everyNode(root).flatMap((node) => fishLines(root, node));
  return `# fish completion of ${root.name}
complete -c ${root.name} -e
${lines.join("\n")}
`;
}

function fishLines(root: CompletionNode, node: CompletionNode): string[] {
  const condition = fishQuote(fishCondition(root, node));
  const at = `complete -c ${root.name} -n ${condition}`;
  return [
    ...node.children.map((child) => `${at} -f -a ${child.name} -d ${fishQuote(child.description)}`),
    ...node.choices.map((choice) => `${at} -f -a ${choice}`),
    ...node.flags.map((flag) => `${at} ${fishFlag(flag)} -d ${fishQuote(flag.description)}`),
  ];
}

/** True when exactly the verbs of the node's path have been typed. */
function fishCondition(root: CompletionNode, node: CompletionNode): string {
  const verbs = node.path.split(" ").slice(1).map((name) => `__fish_seen_subcommand_from ${name}`);
  const deeper = node.children.map((child) => child.name);
  const not = deeper.length === 0 ? [] : [`not __fish_seen_subcommand_from ${deeper.join(" ")}`];
  return [...verbs, ...not].join("; and ") || `test (count (commandline -opc)) -ge ${root === node ? 1 : 0}`;
}

function fishFlag({ names, takesValue }: CompletionFlag): string {
  const parts = names.map((name) => name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`);
  return [...parts, ...(takesValue ? ["-r"] : [])].join(" ");
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
