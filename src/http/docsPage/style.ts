/** How the page looks: its frame, its menu and its routes. */
export const style = `:root {
  color-scheme: light dark;
  --ground: light-dark(#ffffff, #14171c);
  --raised: light-dark(#f5f7fa, #1c2129);
  --line: light-dark(#d9dfe7, #333b47);
  --text: light-dark(#1b2430, #e4e8ee);
  --quiet: light-dark(#566374, #9aa6b5);
  --link: light-dark(#1558b8, #82b4ff);
  --get: light-dark(#12624a, #6fd3ab);
  --post: light-dark(#1558b8, #82b4ff);
  --delete: light-dark(#a8261b, #ff9a8f);
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
* {
  box-sizing: border-box;
}
html {
  scroll-padding-top: 1rem;
}
body {
  margin: 0;
  background: var(--ground);
  color: var(--text);
  font:
    1rem / 1.55 system-ui,
    -apple-system,
    "Segoe UI",
    Roboto,
    "Liberation Sans",
    sans-serif;
}
body > header,
main,
nav {
  padding: 0 1.25rem;
}
body > header {
  padding-top: 1.5rem;
  padding-bottom: 1rem;
  border-bottom: 1px solid var(--line);
}
body > header p {
  max-width: 46rem;
  margin: 0.5rem 0 0;
}
.brand {
  color: var(--quiet);
  font-weight: 600;
}
h1 {
  margin: 0;
  font-size: 1.75rem;
  line-height: 1.2;
}
h2 {
  margin: 2rem 0 0.5rem;
  font-size: 1.25rem;
}
h3 {
  margin: 0;
  font-size: 1rem;
  font-weight: 600;
}
h4 {
  margin: 1.5rem 0 0.5rem;
  font-size: 0.95rem;
}
a {
  color: var(--link);
}
:focus-visible {
  outline: 2px solid var(--link);
  outline-offset: 2px;
}
main:focus {
  outline: none;
}
code,
pre {
  font-family: var(--mono);
  font-size: 0.875em;
}
code {
  overflow-wrap: anywhere;
}
.skip {
  position: absolute;
  left: -100rem;
}
.skip:focus {
  left: 1rem;
  top: 0.5rem;
  padding: 0.5rem;
  background: var(--ground);
}
summary {
  cursor: pointer;
}
.noscript {
  padding: 1rem 1.25rem;
}

/* The menu */
nav {
  padding-top: 1rem;
  font-size: 0.9rem;
}
nav summary {
  font-weight: 600;
}
.group {
  margin: 1rem 0 0.25rem;
  font-weight: 600;
}
nav ul {
  margin: 0;
  padding: 0;
  list-style: none;
}
nav a {
  display: flex;
  gap: 0.5em;
  padding: 0.2rem 0;
  color: var(--text);
  text-decoration: none;
  font-family: var(--mono);
  font-size: 0.8rem;
  overflow-wrap: anywhere;
}
nav a:hover {
  color: var(--link);
  text-decoration: underline;
}

/* A route */
.route {
  margin: 0.5rem 0;
  border: 1px solid var(--line);
  border-radius: 0.5rem;
}
.route > summary {
  display: flex;
  flex-wrap: wrap;
  gap: 0.25rem 0.75rem;
  align-items: baseline;
  padding: 0.65rem 1rem;
  border-radius: 0.5rem;
}
.route > summary:hover,
.route[open] > summary {
  background: var(--raised);
}
.route[open] > summary {
  border-bottom: 1px solid var(--line);
  border-radius: 0.5rem 0.5rem 0 0;
}
.route > summary::-webkit-details-marker {
  display: none;
}
.inside {
  padding: 0.25rem 1rem 1.25rem;
}
.method {
  display: inline-block;
  flex: none;
  min-width: 4.2em;
  font-family: var(--mono);
  font-size: 0.8rem;
  font-weight: 700;
  color: var(--get);
}
.method.post {
  color: var(--post);
}
.method.delete {
  color: var(--delete);
}
.summary {
  flex: 1 1 12rem;
  color: var(--quiet);
}
.role {
  padding: 0 0.55em;
  border: 1px solid var(--line);
  border-radius: 1em;
  color: var(--quiet);
  font-size: 0.8rem;
}
`;
