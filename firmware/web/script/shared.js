// What both pages use: finding what they consist of, and speaking the reader's language.
// For the small browsers too that phones open by themselves: nothing newer than of 2017.
// texts.js is in no folder: tools/pages.py makes it of words/, for each page its own.

import { LANGUAGES, TEXTS } from "./texts.js"

const FALLBACK = "en"

export let language = FALLBACK

export const find = (id) => document.getElementById(id)

export function put(node, words) {
  if (node.textContent !== words) node.textContent = words
}

export const text = (key, values = {}, code = language) =>
  TEXTS[key][LANGUAGES.indexOf(code)].replace(/\{(\w+)\}/g, (_, name) => values[name])

// What a code of the dongle means; undefined if the page has no words for it.
export function meaning(code, values) {
  const key = "code_" + code
  return key in TEXTS ? text(key, values) : undefined
}

// The list of languages, each by its own name.
export function offerLanguages() {
  LANGUAGES.forEach((code) => {
    const option = document.createElement("option")
    option.value = option.lang = code
    option.textContent = text("itself", {}, code)
    find("language").appendChild(option)
  })
}

// The first language of these tags, such as "nl-BE", that the pages speak.
export function firstSpoken(tags) {
  const codes = tags.map((tag) => String(tag).slice(0, 2))
  return codes.find((code) => LANGUAGES.includes(code)) || FALLBACK
}

// Says in another language what the page says always: what data-text names.
export function speak(code, values) {
  language = code
  document.documentElement.lang = code
  find("language").value = code
  document.querySelectorAll("[data-text]").forEach((node) => put(node, text(node.dataset.text, values)))
}
