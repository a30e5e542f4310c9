/** The page before its style and script come into it. */
export const frame = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <link rel="icon" href="data:," />
    <title>API reference</title>
    <style></style>
  </head>
  <body>
    <a class="skip" href="#main">Skip to the routes</a>
    <header>
      <p class="brand">Cauce</p>
      <h1 id="title">API reference</h1>
      <p id="about"></p>
    </header>
    <nav id="nav" aria-label="Routes" hidden></nav>
    <main id="main" tabindex="-1">
      <p id="state" role="status">Reading the API description…</p>
      <form id="ask" hidden>
        <h2>API key</h2>
        <p>This server asks for an API key, of any role. It stays in this page's memory and is gone when you leave.</p>
        <label for="key">Key</label>
        <div class="field">
          <input id="key" type="password" autocomplete="off" spellcheck="false" required />
          <button type="submit">Show the API</button>
        </div>
        <p id="refused" role="alert"></p>
      </form>
      <div id="routes"></div>
    </main>
    <noscript><p class="noscript">This page needs JavaScript. The same is at <a href="openapi.json">openapi.json</a>.</p></noscript>
    <script></script>
  </body>
</html>
`;
