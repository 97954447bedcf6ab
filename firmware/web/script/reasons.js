// What the dongle says about itself, in the reader's language.

import { meaning } from "./shared.js"

// told: a code and the dongle's own words, in English, for a code that the page does not know.
export const reason = (told) => meaning(told.code) || told.reason
