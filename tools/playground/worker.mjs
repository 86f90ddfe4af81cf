// Runs Python beside the page: loads Pyodide and the engine once, then answers each program with what is found in it.
import { loadPyodide } from "./pyodide/pyodide.mjs";

async function load() {
  const pyodide = await loadPyodide({ indexURL: new URL("./pyodide/", import.meta.url).href });
  const answer = await fetch(new URL("./engine.zip", import.meta.url));
  if (!answer.ok) {
    throw new Error(`engine.zip: ${answer.status} ${answer.statusText}`);
  }
  pyodide.unpackArchive(await answer.arrayBuffer(), "zip", { extractDir: "/engine" });
  pyodide.runPython("import sys; sys.path.insert(0, '/engine'); sys.setrecursionlimit(1000)");
  return pyodide.pyimport("playground");
}

const loading = load();

self.onmessage = async ({ data: { id, text, select, pymongo, motor } }) => {
  try {
    const playground = await loading;
    self.postMessage({ id, result: JSON.parse(playground.check(text, select, pymongo, motor)) });
  } catch (error) {
    self.postMessage({ id, error: String(error.message ?? error).trim().split("\n").at(-1) });
  }
};
