#!/usr/bin/python3
"""An independent oracle of steering: which region a client should be sent to, and why.

Reads the same MMDB files by python3-maxminddb and evaluates the rules of configuration.md plainly;
it shares no code with gslbd. SPEC.json:

  {"regions": {"eu": {"at": [50.1, 8.7]}, ...}, "order": "nearest|listed|map|none", "tolerance": km,
   "candidates": ["eu", ...], "bias": {"eu": 20},
   "map": {"EU": ["eu", ["us", "ap"]], "as:64500": "nearest", "NA": ["nearest", "us", "eu"], "default": []},
   "locations": {"10.1.0.0/16": {"at": [..], "country": "DE", ...}}, "centroids": {"DE": [51, 9]}}

oracle.py SPEC.json [DB.mmdb ...] < clients: a line of input is `address` or `address resolver`; a line
of output `address tiers`, tiers as `eu,us|ap` (| between tiers) or `-`. `centroids` stands in for the
product's own table where a database knows countries only.
"""
import ipaddress
import json
import math
import sys

import maxminddb

CONTINENTS = {
    "AF": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU"
          " MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "AN": "AQ BV GS HM TF",
    "AS": "AE AF AM AZ BD BH BN BT CC CN CX GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN"
          " MO MV MY NP OM PH PK PS QA SA SG SY TH TJ TM TR TW UZ VN YE",
    "EU": "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC"
          " MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "NA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR"
          " SV SX TC TT US VC VG VI",
    "OC": "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS",
    "SA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}
CONTINENT_OF = {country: continent for continent, all in CONTINENTS.items() for country in all.split()}


def distance_km(a, b):
    """Great circle by the haversine formula on the mean radius."""
    north = math.sin(math.radians(b[0] - a[0]) / 2) ** 2
    east = math.sin(math.radians(b[1] - a[1]) / 2) ** 2
    h = north + math.cos(math.radians(a[0])) * math.cos(math.radians(b[0])) * east
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, h)))


def biased(distance, bias):
    """A bias above 0 draws clients: the region seems nearer. One below 0 sends them away: it seems farther."""
    factor = (100 - abs(bias)) / 100
    return distance * factor if bias > 0 else distance / factor


def fields_of(record):
    """Both schemas to {at, country, continent, subdivision, asn}, only what is known."""
    if not isinstance(record, dict):
        return {}
    place = {}
    location = record.get("location", record)
    if isinstance(location, dict) and "latitude" in location and "longitude" in location:
        place["at"] = (location["latitude"], location["longitude"])
    country = record.get("country_code") or (record.get("country") or {}).get("iso_code")
    continent = record.get("continent_code") or (record.get("continent") or {}).get("code")
    subdivision = record.get("state1") or (record.get("subdivisions") or [{}])[0].get("iso_code")
    asn = (record.get("autonomous_system_number") or record.get("traits", {}).get("autonomous_system_number")
           or record.get("asn"))
    if country:
        place["country"] = country.upper()
    if continent:
        place["continent"] = continent
    if subdivision:
        place["subdivision"] = subdivision
    if asn:
        place["asn"] = int(str(asn).upper().removeprefix("AS"))
    return place


class Oracle:
    def __init__(self, spec, databases):
        self.spec = spec
        self.readers = [maxminddb.open_database(path, maxminddb.MODE_MMAP) for path in databases]
        self.regions = {name: tuple(region["at"]) for name, region in spec["regions"].items()}
        self.candidates = spec.get("candidates", list(self.regions))
        self.bias = spec.get("bias", {})
        self.tolerance = spec.get("tolerance", 0)
        self.locations = sorted(((ipaddress.ip_network(prefix), fields)
                                 for prefix, fields in spec.get("locations", {}).items()),
                                key=lambda entry: entry[0].prefixlen)
        self.prefix_rules = sorted(((ipaddress.ip_network(key), value)
                                    for key, value in spec.get("map", {}).items() if "/" in key),
                                   key=lambda rule: -rule[0].prefixlen)

    def place(self, address):
        place = {}
        for reader in self.readers:
            if address.version == 6 and reader.metadata().ip_version == 4:
                continue
            record = reader.get(str(address))
            place = {**fields_of(record), **place}
        for network, fields in self.locations:
            if network.version == address.version and address in network:
                place.update(fields)
        return place

    @staticmethod
    def is_located(place):
        return any(field in place for field in ("at", "country", "continent", "subdivision"))

    def nearest(self, place, among=None):
        candidates = [region for region in self.candidates if among is None or region in among]
        at = place.get("at") or self.spec.get("centroids", {}).get(place.get("country"))
        if not at:
            return [[region] for region in candidates]
        left = sorted((biased(distance_km(at, self.regions[region]), self.bias.get(region, 0)), i, region)
                      for i, region in enumerate(candidates))
        tiers = []
        while left:
            bound = left[0][0] + self.tolerance
            tiers.append([region for distance, _, region in left if distance <= bound])
            left = [entry for entry in left if entry[0] > bound]
        return tiers

    def rule(self, address, own, place):
        rules = self.spec["map"]
        for network, value in self.prefix_rules:
            if network.version == address.version and address in network:
                return value
        country = place.get("country", "")
        for key in (f"as:{own.get('asn')}", f"subdivision:{country}-{place.get('subdivision')}",
                    f"country:{country}", place.get("continent") or CONTINENT_OF.get(country)):
            if key in rules:
                return rules[key]
        return rules["default"]

    def tiers(self, client, resolver=None):
        order = self.spec["order"]
        if order == "listed":
            return [[region] for region in self.candidates]
        if order == "none":
            return [list(self.candidates)]
        address = ipaddress.ip_address(client)
        own = place = self.place(address)
        if resolver and not self.is_located(own):
            place = self.place(ipaddress.ip_address(resolver))
        if order == "nearest":
            return self.nearest(place)
        value = self.rule(address, own, place)
        if value == "nearest":
            return self.nearest(place)
        if value[:1] == ["nearest"]:
            return self.nearest(place, value[1:])
        tiers = [[tier] if isinstance(tier, str) else tier for tier in value]
        tiers = [[region for region in tier if region in self.candidates] for tier in tiers]
        return [tier for tier in tiers if tier]


def text(tiers):
    return "|".join(",".join(tier) for tier in tiers) or "-"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        oracle = Oracle(json.load(file), sys.argv[2:])
    for line in sys.stdin:
        words = line.split()
        print(words[0], text(oracle.tiers(*words)))


if __name__ == "__main__":
    main()
