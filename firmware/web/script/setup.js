// The set-up page: which network the dongle shall use.
// For the small browsers too that phones open by themselves: nothing newer than of 2017.

import { find, firstSpoken, meaning, offerLanguages, speak, text } from "./shared.js"

const TICK_MS = 1000
const IDLE_TICKS = 10 // between questions that only tell the dongle that somebody is here
const TIMEOUT_MS = 6000
const LOST_TICKS = 3 // without an answer, until the page says so
const GONE_TICKS = 30

let status = { state: "ready" } // as the dongle told it last
let complaint = null // [key, values] of what was wrong with what was typed
let networks = []
let searching = true
let chosen = null // the name of a network, or true: the one that is typed
let ticks = 0
let trying = 0 // ticks since it began
let silent = 0 // ticks without an answer

// Blanks at the ends would not be seen.
const visible = (name) => name.replace(/^ +| +$/g, (blanks) => "␣".repeat(blanks.length))

function setLanguage(code) {
  speak(code)
  showNetworks()
  showOutcome()
}

function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("late")), TIMEOUT_MS))
  return Promise.race([fetch(path, options), late]).then((answer) =>
    answer.json().then((document) => {
      if (answer.status === 503) throw new Error("busy")
      return document
    }))
}

// --- What is shown ---

function strength(rssi) {
  return text(rssi >= -65 ? "good" : rssi >= -78 ? "fair" : "weak")
}

function showNetworks() {
  const list = find("networks")
  list.textContent = ""
  networks.forEach((network) => {
    const row = document.createElement("label")
    const button = document.createElement("input")
    const name = document.createElement("b")
    const about = document.createElement("span")
    row.className = "network"
    about.className = "soft"
    button.type = "radio"
    button.name = "network"
    button.checked = network.ssid === chosen
    button.onchange = () => choose(network.ssid)
    name.textContent = visible(network.ssid)
    about.textContent = strength(network.rssi_dbm) + (network.secured ? "" : ", " + text("open"))
    row.appendChild(button)
    row.appendChild(name)
    row.appendChild(about)
    list.appendChild(row)
  })
  find("search").textContent = searching ? text("searching") : networks.length ? "" : text("none")
  find("again").disabled = searching
}

function choose(name) {
  chosen = name
  find("typed").hidden = chosen !== true
  const network = networks.find((each) => each.ssid === chosen)
  find("secret").hidden = Boolean(network && !network.secured)
}

function paragraph(words, links) {
  const node = document.createElement("p")
  node.textContent = words
  ;(links || []).forEach((link, number) => {
    const anchor = document.createElement("a")
    anchor.href = anchor.textContent = link
    node.appendChild(document.createTextNode(number ? " " + text("or") + " " : " "))
    node.appendChild(anchor)
  })
  return node
}

function outcome() {
  const named = Object.assign({}, status, { ssid: visible(status.ssid || "") })
  const home = "http://" + status.hostname + ".local/"
  const found = []
  if (status.state === "trying") {
    found.push(paragraph(text("trying", named)), paragraph(text("patience")))
  } else if (status.state === "connected") {
    found.push(paragraph(text("connected", named)), paragraph(text("find"), [status.url, status.named_url]), paragraph(text("soon")))
    if (status.restarts) found.push(paragraph(text("restarts")))
    return found
  } else if (complaint) {
    found.push(paragraph(text(complaint[0], complaint[1])))
  } else if (status.state === "failed") {
    found.push(paragraph(meaning(status.code, named) || text("failed", named)))
  }
  if (silent > LOST_TICKS && status.hostname) {
    found.push(paragraph(text("lost", named)))
    if (status.state === "trying" && silent > GONE_TICKS) found.push(paragraph(text("gone", named), [home]))
  }
  return found
}

function showOutcome() {
  const node = find("outcome")
  const found = outcome()
  // It is read out when it changes, and only then.
  if (node.textContent !== found.map((each) => each.textContent).join("")) {
    node.textContent = ""
    found.forEach((each) => node.appendChild(each))
  }
  node.className = complaint ? "failed" : status.state
  find("progress").hidden = status.state !== "trying"
  find("progress").value = Math.min(trying, 30)
  find("form").hidden = status.state === "trying" || status.state === "connected"
}

// --- What is asked and told ---

function learn(answer) {
  const isNew = answer.state !== status.state
  status = answer
  silent = 0
  if (isNew) {
    trying = 0
    complaint = null
    if (status.state !== "ready") {
      showOutcome()
      find("outcome").focus()
    }
  }
}

function tick() {
  ticks += 1
  if (status.state === "trying") trying += 1
  const isBusy = status.state === "trying" || !status.hostname || silent > 0
  if (document.hidden || !(isBusy || ticks % IDLE_TICKS === 0)) return Promise.resolve()
  return ask("/status").then(learn, () => { silent += 1 }).then(showOutcome)
}

function look() {
  if (!searching) return Promise.resolve()
  return ask("/scan").then((answer) => {
    networks = answer.networks
    searching = answer.searching
    showNetworks()
  }, () => {})
}

function turn() {
  tick().then(look).then(() => setTimeout(turn, TICK_MS))
}

function complain(key, values) {
  complaint = [key, values]
  showOutcome()
  find("outcome").focus()
}

find("form").onsubmit = (event) => {
  event.preventDefault()
  complaint = null
  const ssid = chosen === true ? find("ssid").value : chosen
  const password = find("secret").hidden ? "" : find("password").value
  const network = networks.find((each) => each.ssid === ssid)
  if (!ssid) return complain("noChoice")
  if (password.length < 8 && (password || (network && network.secured))) return complain("short")
  const wanted = { ssid: ssid, password: password }
  for (const name of ["mqtt_host", "mqtt_user", "mqtt_password"]) wanted[name] = find(name).value
  find("connect").disabled = true
  ask("/try", wanted)
    .then((answer) => (answer.error ? complain("refused", { reason: answer.error }) : learn(answer)), () => {
      silent = 1 // it may have heard all the same: asked at once
      complain("busy")
    })
    .then(() => { find("connect").disabled = false })
}
find("again").onclick = () => {
  searching = true
  showNetworks()
  ask("/scan", {}).catch(() => {})
}
find("other").onchange = () => choose(true)
find("show").onchange = () => { find("password").type = find("show").checked ? "text" : "password" }
find("language").onchange = () => setLanguage(find("language").value)

offerLanguages()
setLanguage(firstSpoken(navigator.languages || [navigator.language]))
turn()
