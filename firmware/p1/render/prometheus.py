# The values of a Reading for Prometheus, without sub-meters: tables for exposition.py. They use
# base units, but watt-hours and gigajoules instead of joules, so that the counters stay as the
# meter printed them.

TEMPORARY = True  # see forget()

# Several tables, because a chip may not have one long piece of memory. A table that does not begin
# with a family continues the last family of the table before.
TABLES = (
    b"""
# energy_import_watthours_total counter Energy taken from the grid
energy_import_t1_kwh k tariff="1"
energy_import_t2_kwh k tariff="2"
energy_import_t3_kwh k tariff="3"
""",
    b"""
energy_import_t4_kwh k tariff="4"
energy_import_t5_kwh k tariff="5"
energy_import_kwh k -
""",
    b"""
# energy_export_watthours_total counter Energy fed into the grid
energy_export_t1_kwh k tariff="1"
energy_export_t2_kwh k tariff="2"
energy_export_t3_kwh k tariff="3"
""",
    b"""
energy_export_t4_kwh k tariff="4"
energy_export_t5_kwh k tariff="5"
energy_export_kwh k -
# power_import_watts gauge Power taken from the grid
power_import_w 1 -
""",
    b"""
# power_export_watts gauge Power fed into the grid
power_export_w 1 -
# power_watts gauge Power by phase and direction
power_import_l1_w 1 phase="l1",direction="import"
""",
    b"""
power_import_l2_w 1 phase="l2",direction="import"
power_import_l3_w 1 phase="l3",direction="import"
power_export_l1_w 1 phase="l1",direction="export"
""",
    b"""
power_export_l2_w 1 phase="l2",direction="export"
power_export_l3_w 1 phase="l3",direction="export"
# voltage_volts gauge Voltage
voltage_l1_v 1 phase="l1"
""",
    b"""
voltage_l2_v 1 phase="l2"
voltage_l3_v 1 phase="l3"
# current_amperes gauge Current, without direction
current_l1_a 1 phase="l1"
current_l2_a 1 phase="l2"
""",
    b"""
current_l3_a 1 phase="l3"
# frequency_hertz gauge Frequency of the grid
frequency_hz 1 -
""",
    b"""
# quarter_average_watts gauge Energy since the last quarter hour, spread over a whole one
average_power_15m_w 1 -
""",
    b"""
# voltage_sags_total counter Times that the voltage was too low
voltage_sags_l1_count 1 phase="l1"
voltage_sags_l2_count 1 phase="l2"
voltage_sags_l3_count 1 phase="l3"
""",
    b"""
# voltage_swells_total counter Times that the voltage was too high
voltage_swells_l1_count 1 phase="l1"
voltage_swells_l2_count 1 phase="l2"
""",
    b"""
voltage_swells_l3_count 1 phase="l3"
# power_failures_total counter Power failures
power_failures_count 1 type="short"
long_power_failures_count 1 type="long"
""",
    b"""
# month_peak_watts gauge Highest quarter hour of this month
monthly_power_peak 1 -
# tariff gauge Number of the current tariff
tariff 1 -
""",
    b"""
# last_telegram_timestamp_seconds gauge The meter's clock
timestamp 1 -
""",
)
