/** Cauce's own version, as package.json says it; written down here too, since a bundle of one file has no package.json. */
export const version = "0.1.0";
