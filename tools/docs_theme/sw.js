// Without a network the page "Your own picture" still works, once it has run: what it loaded is kept here. The network
// comes first, so that nothing old is shown where there is one. It is registered only when a reader has run a model.
const KEPT = "unet-explorer";
addEventListener("install", () => skipWaiting());
addEventListener("activate", e => e.waitUntil(clients.claim()));
addEventListener("message", e => {
  if (!e.data?.keep) return;
  e.waitUntil(caches.open(KEPT).then(cache => Promise.allSettled(e.data.keep
    .filter(url => url.startsWith(registration.scope))
    .map(async url => (await cache.match(url)) || cache.add(url))))
    .then(() => e.source?.postMessage({kept: e.data.keep.at(-1)})));
});
addEventListener("fetch", e => {
  if (e.request.method !== "GET" || !e.request.url.startsWith(registration.scope)) return;
  e.respondWith(caches.open(KEPT).then(async cache => {
    try {
      const answer = await fetch(e.request);
      if (answer.ok) e.waitUntil(cache.put(e.request, answer.clone()).catch(() => {}));
      return answer;
    } catch (error) {
      return (await cache.match(e.request, {ignoreSearch: true})) ?? Promise.reject(error);
    }
  }));
});
