// What @grafana/data and uPlot look for in a browser while they are loaded; nothing of it is used afterwards.
const nothing = () => undefined;
const element = {
  addEventListener: nothing,
  appendChild: nothing,
  removeEventListener: nothing,
  setAttribute: nothing,
  sheet: {},
  style: {},
};
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
  history: { pushState: nothing, replaceState: nothing },
  devicePixelRatio: 1,
  matchMedia: () => element,
  addEventListener: nothing,
  dispatchEvent: nothing,
  localStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) },
});
