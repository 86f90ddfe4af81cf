// The page of the playground: examples with what was found when the site was built, and a worker that checks what is typed.
"use strict";
(() => {
  const PAUSE = 400; // milliseconds without a key before a program is checked again
  const base = new URL(".", document.currentScript.src);
  const at = (id) => document.getElementById(`pg-${id}`);
  const code = at("code"), gutter = at("gutter"), status = at("status"), list = at("findings"), chooser = at("example");
  const examples = window.mongoThreadsExamples;
  let worker = null, asked = 0, timer = 0;

  function element(name, text, cls) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (cls) made.className = cls;
    return made;
  }

  function say(state, text) {
    status.textContent = text;
    status.dataset.state = state;
  }

  function number(marked) {
    const count = code.value.split("\n").length;
    gutter.replaceChildren(...Array.from({ length: count }, (_, index) =>
      element("span", `${index + 1}\n`, marked.has(index + 1) ? "pg-marked" : "")));
    gutter.scrollTop = code.scrollTop;
  }

  // Columns are counted in characters, positions in a text area in UTF-16 units.
  function offset(line, col) {
    const lines = code.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    return before + [...(lines[line - 1] ?? "")].slice(0, col - 1).join("").length;
  }

  function select(line, col, endLine, endCol) {
    code.focus();
    code.setSelectionRange(offset(line, col), offset(endLine, endCol));
    code.scrollTop = Math.max(0, (line - 5) * parseFloat(getComputedStyle(code).lineHeight));
  }

  function place(text, line, col, endLine, endCol) {
    const button = element("button", text, "pg-place");
    button.type = "button";
    button.addEventListener("click", () => select(line, col, endLine, endCol));
    return button;
  }

  function shown(found) {
    const item = element("li"), head = element("p");
    const rule = element("a", `${found.code} ${found.name}`);
    rule.href = new URL(`../../rules/${found.code}.html`, base).href;
    head.append(place(`${found.line}:${found.col}`, found.line, found.col, found.end_line, found.end_col), " ", rule, ` ${found.message}`);
    item.append(head);
    if (found.steps.length) {
      const steps = element("ul", undefined, "pg-steps");
      for (const step of found.steps) {
        const hop = element("li");
        hop.append(place(`line ${step.line}`, step.line, 1, step.line, Infinity), ` ${step.text}`);
        steps.append(hop);
      }
      item.append(steps);
    }
    if (found.fix) {
      const how = { safe: "safe", unsafe: "with --unsafe-fixes", display: "shown only" }[found.fix.applicability];
      item.append(element("p", `Fix (${how}): ${found.fix.title}`, "pg-fix"));
    }
    return item;
  }

  function show(result, state) {
    if (result.problem !== undefined) {
      list.replaceChildren();
      number(new Set(result.line ? [result.line] : []));
      say("problem", result.line ? `Line ${result.line}: ${result.problem}` : result.problem);
      return;
    }
    const { findings } = result;
    list.replaceChildren(...findings.map(shown));
    number(new Set(findings.map((found) => found.line)));
    const count = findings.length === 1 ? "1 finding" : findings.length ? `${findings.length} findings` : "Nothing is reported";
    say(state, state === "example" ? `${count}. Change the program, or press Check, to run the linter here.` : `${count}.`);
  }

  function fail(reason) {
    worker?.terminate();
    worker = null;
    say("failed", `The linter could not be run: ${reason}`);
  }

  function start() {
    if (location.protocol === "file:") {
      fail("browsers do not run it from a file. Serve this folder: python3 -m http.server");
      return;
    }
    say("loading", "Loading Python …");
    worker = new Worker(new URL("worker.mjs", base), { type: "module" });
    worker.onerror = (event) => fail(event.message || "its files could not be loaded");
    worker.onmessage = ({ data }) => {
      if (data.error !== undefined) fail(data.error);
      else if (data.id === asked) show(data.result, "checked");
    };
  }

  function check() {
    clearTimeout(timer);
    if (!worker) start();
    worker?.postMessage({
      id: ++asked, text: code.value, select: at("select").value, pymongo: at("pymongo").value, motor: at("motor").value,
    });
  }

  function edited() {
    number(new Set());
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE);
  }

  function choose(name) {
    const example = examples[name];
    clearTimeout(timer);
    asked += 1; // an answer that is still to come is about another program
    code.value = example.text;
    for (const field of ["select", "pymongo", "motor"]) at(field).value = example[field];
    chooser.value = name;
    show(example.result, "example");
  }

  for (const [name, example] of Object.entries(examples)) {
    const option = element("option", `${name} ${example.name}`);
    option.value = name;
    chooser.append(option);
  }
  chooser.addEventListener("change", () => choose(chooser.value));
  at("run").addEventListener("click", check);
  for (const field of ["code", "select", "pymongo", "motor"]) at(field).addEventListener("input", edited);
  code.addEventListener("scroll", () => { gutter.scrollTop = code.scrollTop; });
  code.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      check();
    }
  });
  const wanted = new URLSearchParams(location.search).get("rule");
  choose(wanted in examples ? wanted : "MDB102");
})();
