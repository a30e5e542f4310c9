/** How what is inside a route looks, the field for the key, and small and large screens. */
export const styleInside = `/* Schemas */
.schema {
  margin: 0;
  padding: 0;
  list-style: none;
}
.schema li {
  padding: 0.4rem 0;
  border-top: 1px solid var(--line);
}
.schema .schema {
  margin: 0.4rem 0 0 0.35rem;
  padding-left: 0.9rem;
  border-left: 2px solid var(--line);
}
.schema .schema > li:first-child {
  border-top: 0;
}
.name {
  font-weight: 600;
}
.type,
.aside {
  color: var(--quiet);
  font-size: 0.875rem;
  font-weight: 400;
  overflow-wrap: anywhere;
}
.optional {
  margin-left: 0.5em;
  color: var(--quiet);
  font-size: 0.8rem;
  font-style: italic;
}
.limits {
  color: var(--quiet);
  font-size: 0.8rem;
}
.limits > span {
  margin-left: 0.75em;
}
.said {
  margin: 0;
  color: var(--quiet);
  font-size: 0.9rem;
}
.answer {
  padding: 0.4rem 0;
  border-top: 1px solid var(--line);
}
.answer p {
  margin: 0;
}
.answer details {
  margin-top: 0.25rem;
  font-size: 0.9rem;
}
.inside > details {
  margin-top: 0.4rem;
  font-size: 0.9rem;
}

/* What can be copied */
.sample {
  position: relative;
  margin: 0.75rem 0;
}
pre {
  margin: 0;
  padding: 0.8rem 5rem 0.8rem 1rem;
  overflow-x: auto;
  background: var(--raised);
  border: 1px solid var(--line);
  border-radius: 0.4rem;
  line-height: 1.5;
}
pre code {
  overflow-wrap: normal;
}
button,
input {
  font: inherit;
  padding: 0.4rem 0.8rem;
  background: var(--ground);
  color: var(--text);
  border: 1px solid var(--quiet);
  border-radius: 0.4rem;
}
button {
  cursor: pointer;
}
.copy {
  position: absolute;
  top: 0.45rem;
  right: 0.45rem;
  padding: 0.15rem 0.6rem;
  font-size: 0.8rem;
  border-color: var(--line);
}

/* The key */
#ask {
  max-width: 36rem;
}
#ask label {
  display: block;
  font-weight: 600;
}
.field {
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
}
.field input {
  flex: 1 1 14rem;
  min-width: 0;
}
[role="alert"] {
  color: var(--delete);
}

@media (max-width: 40rem) {
  pre {
    padding: 2.6rem 1rem 0.8rem;
  }
}
@media (min-width: 60rem) {
  body {
    display: grid;
    grid-template-columns: 19rem minmax(0, 1fr);
  }
  body > header {
    grid-column: 1 / -1;
    padding-left: 2rem;
  }
  nav {
    position: sticky;
    top: 0;
    max-height: 100vh;
    overflow-y: auto;
    padding-left: 2rem;
    padding-bottom: 2rem;
  }
  main {
    grid-column: 2;
    max-width: 60rem;
    padding-bottom: 4rem;
  }
}
`;
