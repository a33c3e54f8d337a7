const COUNT = /\{(\d{1,4})(?:,(\d{0,4}))?\}/y;

/** About how many steps a pattern has when its repetitions are written out, found by one look at it. */
export function patternSize(pattern: string): number {
  const outer: number[] = [];
  let sum = 0;
  let last = 0;
  for (let at = 0; at < pattern.length; at++) {
    const sign = pattern[at];
    if (sign === "(") {
      outer.push(sum);
      sum = last = 0;
    } else if (sign === ")") {
      last = sum;
      sum += outer.pop() ?? 0;
    } else if (sign === "{") {
      const { count, length } = countAt(pattern, at);
      sum += last * (count - 1);
      last *= count;
      at += length - 1;
    } else {
      if (sign === "\\") at++;
      else if (sign === "[") at = endOfClass(pattern, at);
      last = 1;
      sum++;
    }
  }
  return outer.reduce((total, one) => total + one, sum);
}

/** A brace that counts nothing stands for itself. */
function countAt(pattern: string, at: number): { count: number; length: number } {
  COUNT.lastIndex = at;
  const [all = "{", least, most] = COUNT.exec(pattern) ?? [];
  return { count: Math.max(1, Number(least ?? 1), Number(most || 1)), length: all.length };
}

function endOfClass(pattern: string, start: number): number {
  let at = pattern[start + 1] === "^" ? start + 2 : start + 1;
  for (at++; at < pattern.length && pattern[at] !== "]"; at++) if (pattern[at] === "\\") at++;
  return at;
}
