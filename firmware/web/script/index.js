// The page that the dongle shows: where it starts.

import { TICK_MS, plan, showAge, visibilityChanged } from "./asking.js"
import { showPast, showReading } from "./cards.js"
import { showDongle } from "./dongle.js"
import { health, past, reading } from "./known.js"
import { FLOOR_W } from "./months.js"
import { kilowatts, writeAsIn } from "./numbers.js"
import { find, firstSpoken, offerLanguages, speak } from "./shared.js"

function showAll() {
  showAge()
  if (reading) showReading()
  if (reading && past) showPast()
  if (health) showDongle()
}

function chooseLanguage() {
  let remembered = null
  try { remembered = localStorage.getItem("language") } catch { /* switched off */ }
  setLanguage(firstSpoken([remembered, ...navigator.languages]))
}

function setLanguage(code) {
  writeAsIn(code)
  speak(code, { power: kilowatts(FLOOR_W, 1) })
  showAll()
}

offerLanguages()
chooseLanguage()
find("language").addEventListener("change", ({ target }) => {
  try { localStorage.setItem("language", target.value) } catch { /* switched off */ }
  setLanguage(target.value)
})
document.addEventListener("visibilitychange", visibilityChanged)
setInterval(showAge, TICK_MS)
plan()
