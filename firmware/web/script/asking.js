// Asking the dongle again and again, and saying how old the answer is.

import { showHistory, showReading } from "./cards.js"
import { showDongle } from "./dongle.js"
import {
  ageS,
  answeredAt,
  due,
  historyIsAsked,
  isOld,
  learnHealth,
  learnHistory,
  learnLive,
  netPower,
  quarter,
  reading,
  refusal,
  timeOfReading,
} from "./known.js"
import { ago, flow, parse } from "./numbers.js"
import { reason } from "./reasons.js"
import { find, put, text } from "./shared.js"

export const TICK_MS = 1000 // one request a tick, never two
const TIMEOUT_MS = 4000
const LONGEST_PAUSE_MS = 3000 // between tries while the dongle does not answer
const SLOW_MS = 2500 // an answer that takes longer is none yet

const TAKERS = { "/live": takeLive, "/history": takeHistory, "/health": takeHealth }

let timer = 0
let request = null // the AbortController of the one that is under way
let askedAt = -Infinity // by the clock of performance.now()
let mayDetour = false // never two ticks in a row without /live
let failure = null // why the dongle gave no answer: a key of TEXTS
let failures = 0 // in a row

const isHidden = () => document.visibilityState === "hidden"
const isSlow = () => request !== null && performance.now() - askedAt > SLOW_MS

function nextPath() {
  const others = Object.keys(due).filter((path) => due[path] <= Date.now())
  if (!mayDetour || !others.length) return "/live"
  return refusal && others.includes("/health") ? "/health" : others[0]
}

function takeLive(answer) {
  if (learnLive(answer)) showReading()
}

function takeHistory(answer) {
  if (learnHistory(answer)) showHistory()
}

function takeHealth(answer) {
  if (learnHealth(answer)) showDongle()
}

async function ask(path) {
  const patience = setTimeout(() => request.abort(), TIMEOUT_MS)
  try {
    const asked = fetch(path, { signal: request.signal })
    askedAt = performance.now() // behind it: should the machine stall just here, the next waits all the same
    const answer = await asked
    return { status: answer.status, ageS: Number(answer.headers.get("Age")), body: parse(await answer.text()) }
  } finally {
    clearTimeout(patience)
  }
}

async function tick() {
  const path = nextPath()
  let answer = null
  request = new AbortController()
  if (path === "/history") historyIsAsked()
  try {
    answer = await ask(path)
  } catch { /* nobody there, too late or cut off; or we have let go, to be hidden */ }
  request = null
  failure = isHidden() ? null : failureOf(answer)
  failures = failure ? failures + 1 : 0
  mayDetour = path === "/live" && !failure
  plan()
  if (answer && !failure) TAKERS[path](answer)
  showAge()
}

function failureOf(answer) {
  if (!answer) return "away"
  return answer.body.code === "too_many_clients" ? "busy" : null
}

export function plan() {
  clearTimeout(timer)
  if (request || isHidden()) return
  const pause = Math.min(TICK_MS * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE_MS)
  timer = setTimeout(tick, Math.max(0, askedAt + pause - performance.now()))
}

export function visibilityChanged() {
  failures = 0
  if (isHidden()) request?.abort()
  else showAge()
  plan()
}

// --- How old it is ---

function trouble() {
  if (!isOld()) return ""
  if (failure) return text(failure)
  if (isSlow()) return text("away")
  if (Date.now() - answeredAt > SLOW_MS) return text("connecting")
  return refusal ? reason(refusal) : text("code_no_telegram")
}

export function showAge() {
  const words = trouble()
  const isAway = Boolean(words && (failure || isSlow()))
  document.body.classList.toggle("old", isOld())
  document.body.classList.toggle("away", isAway)
  put(find("trouble"), words)
  put(find("since"), words && reading ? text("since", { time: timeOfReading(), ago: ago(ageS()) }) : "")
  showAlert()
  showTitle()
}

function showAlert() {
  const isAlert = quarter?.alert === true && !isOld()
  put(find("alert"), isAlert ? text("alert") : "")
  find("quarter").classList.toggle("alarmed", isAlert)
}

function showTitle() {
  const isKnown = !isOld() && netPower() !== undefined
  document.title = isKnown ? `${flow(netPower())} – P1 dongle` : "P1 dongle"
}
