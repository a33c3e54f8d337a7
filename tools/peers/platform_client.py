"""Signs in at an issuer as the platform's own client does: requests-oauthlib for the browser, plain forms for the rest.

platform_client.py BASE EMAIL AUDIENCE CLIENT_ID     takes the password from PASSWORD, prints one JSON document
"""
import json
import os
import sys
from urllib.parse import parse_qs, urljoin, urlparse

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # http on loopback, which oauthlib refuses by default

import requests
from requests_oauthlib import OAuth2Session

REDIRECT_URI = "http://localhost:8989/"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TIMEOUT = 20


def callback(browser, answer):
    """Follows redirects until one leads to the client."""
    while not answer.headers["location"].startswith(REDIRECT_URI):
        answer = browser.get(urljoin(answer.url, answer.headers["location"]), allow_redirects=False, timeout=TIMEOUT)
    return answer.headers["location"]


def by_browser(base, email, password, audience, client_id):
    session = OAuth2Session(client_id, scope=["offline_access"], redirect_uri=REDIRECT_URI, pkce="S256")
    url, state = session.authorization_url(f"{base}/authorize", access_type="offline", audience=audience)
    browser = requests.Session()
    page = browser.get(url, timeout=TIMEOUT)
    page = browser.post(page.url, data={"email": email, "password": password, "action": "sign-in"}, timeout=TIMEOUT)
    answer = browser.post(page.url, data={"action": "allow"}, allow_redirects=False, timeout=TIMEOUT)
    query = parse_qs(urlparse(callback(browser, answer)).query)
    assert query["state"] == [state]
    # raises when the scope of the answer is another than the one that was asked for
    return session.fetch_token(f"{base}/oauth/token", code=query["code"][0], include_client_id=True, timeout=TIMEOUT)


def post(url, **form):
    answer = requests.post(url, data=form, timeout=TIMEOUT)
    return {"status": answer.status_code, **answer.json()}


def main(base, email, audience, client_id):
    token = by_browser(base, email, os.environ["PASSWORD"], audience, client_id)
    refreshed = post(f"{base}/oauth/token", grant_type="refresh_token", client_id=client_id, refresh_token=token["refresh_token"])
    bad = post(f"{base}/oauth/token", grant_type="refresh_token", client_id=client_id, refresh_token="bad")
    device = post(f"{base}/oauth/device/code", client_id=client_id, scope=["offline_access", "email"], audience=audience)
    pending = post(f"{base}/oauth/token", grant_type=DEVICE_GRANT, device_code=device["device_code"], client_id=client_id)
    bearer = {"Authorization": "Bearer " + refreshed["access_token"], "Accept": "application/json"}
    me = requests.get(f"{base}/api/v1/me", headers=bearer, timeout=TIMEOUT)
    health = requests.get(f"{base}/health", headers=bearer, timeout=TIMEOUT)
    print(json.dumps({
        "token": token,
        "refreshed": refreshed,
        "bad": bad,
        "device": {name: device[name] for name in ("user_code", "verification_uri_complete", "interval")},
        "pending": pending,
        "me": {"status": me.status_code, **me.json()},
        "health": health.json(),
    }))


if __name__ == "__main__":
    main(*sys.argv[1:])
