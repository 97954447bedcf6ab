// What the dongle says about itself, in the reader's language.

import { text } from "./shared.js"

// What the dongle says, by how it begins. The rest, such as a broker's own words, stays English.
const REASONS = {
  "no telegram": "silent",
  "telegrams arrive damaged": "damaged",
  "encrypted telegrams": "locked",
  "connected": "connected",
  "not connected": "notConnected",
  "connecting": "joining",
  "waiting for Wi-Fi": "waitingForWifi",
  "not tried yet": "notTried",
  "no answer from the broker": "noBroker",
  "no cable": "noCable",
  "no address from the router": "noAddress",
  "wrong password": "wrongPassword",
  "no such network": "noNetwork",
  "no network configured": "notConfigured",
  "off": "off",
}

export function reason(words) {
  const known = Object.keys(REASONS).find((beginning) => words.startsWith(beginning))
  return known ? text(REASONS[known]) : words
}
