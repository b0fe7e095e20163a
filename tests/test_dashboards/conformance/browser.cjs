// What @grafana/data looks for in a browser while it is loaded; nothing of it is used afterwards.
const element = { appendChild: () => undefined, setAttribute: () => undefined, style: {}, sheet: {} };
const kept = new Map();
Object.assign(globalThis, {
  window: globalThis,
  document: {
    head: element,
    createElement: () => element,
    createTextNode: () => element,
    getElementsByTagName: () => [element],
  },
  navigator: { language: 'en-US', languages: ['en-US'] },
  history: { pushState: () => undefined, replaceState: () => undefined },
  addEventListener: () => undefined,
  localStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) },
});
