# What differs from country to country though the telegram looks alike.

# The tariff indicator's numbers by name. Belgium's are the other way round than the Dutch ones
# (e-MUCS-P1 1.7.1 table 4 and its note on the Dutch rule).
TARIFF_NAMES = {
    "BE": {1: "day", 2: "night"},
    "NL": {1: "night", 2: "day"},
}
