"""Every address of the pages, by who may use it."""

# The table: every address once, by who may use it. Owner and administrator may everything; a stranger is told 404, nobody is sent to sign
# in (302). What is in a project is looked at by its viewers, changed by its members, deleted, moved and shared by its owners.
# A link opens the addresses in LINK, and no others.
LOOK = {
    "campaign-overview": (["campaign"], 200),
    "campaign-training-set": (["campaign"], 200),
    "campaign-models": (["campaign"], 200),
    "campaign-training-set-download": (["campaign"], 200),
    "campaign-stages": (["campaign"], 200),
    "campaign-settings": (["campaign"], 200),
    "campaign-setup": (["campaign"], 200),
    "campaign-deletion": (["campaign"], 200),
    "campaign-archive": (["campaign"], 200),
    "campaign-dpgen": (["campaign"], 200),
    "campaign-results": (["campaign"], 200),
    "cell-structure": (["cell"], 200),
    "configuration": (["frame"], 200),
    "configuration-structure": (["frame"], 200),
    "configuration-download": (["frame"], 200),
    "model": (["model"], 200),
    "stage": (["stage"], 200),
    "stage-live": (["stage"], 286),
    "stage-labels": (["label stage"], 286),
    "stage-label": (["label stage", 0], 200),
    "campaign-cost": (["campaign"], 286),
    "material-page": (["material"], 200),
    "material-structure": (["material"], 200),
    "material-cif": (["material"], 200),
    "campaign-live": (["campaign", "ramp"], 200),
    "model-file": (["model", "frozen"], 200),
    "model-package": (["model"], 200),
    "stage-file": (["stage", "log"], 200),
    "plot-arrhenius": (["campaign"], 200),
    "plot-steps": (["campaign", "diffusivity"], 200),
    "plot-training-set": (["campaign", "energy"], 200),
    "plot-histogram": (["campaign", "force"], 200),
    "campaign-parity": (["campaign"], 200),
    "campaign-report": (["campaign"], 200),
    "campaign-result-rows": (["campaign", "csv"], 200),
    "plot-parity": (["campaign", 1, 1, "force"], 200),
    "plot-msd": (["run"], 200),
    "run": (["evaluation"], 200),
    "plot-structure": (["evaluation", "rdf"], 200),
    "plot-density": (["evaluation", 2], 200),
    "plot-learning-curve": (["model"], 200),
    "trajectory": (["trajectory"], 200),
    "trajectory-live": (["trajectory"], 286),
    "trajectory-json": (["trajectory"], 200),
    "plot-trajectory-msd": (["trajectory"], 200),
    "plot-trajectory-structure": (["trajectory", "rdf"], 200),
    "plot-trajectory-density": (["trajectory", 0], 200),
    "campaign-people": (["campaign"], 200),
    "project": (["project"], 200),
}
EDIT = {
    "campaign-start": ["campaign"],
    "campaign-pause": ["campaign"],
    "campaign-resume": ["campaign"],
    "campaign-cancel": ["campaign"],
    "campaign-retry": ["campaign"],
    "campaign-check": ["campaign"],
    "campaign-limits": ["campaign"],
    "campaign-check-stop": ["campaign"],
    "stage-relabel": ["label stage"],
    "configuration-overrule": ["frame"],
    "trajectory-again": ["trajectory"],
    "material-describe": ["material"],
}
MANAGE = {
    "campaign-move": ["campaign"],
    "campaign-link-new": ["campaign"],
    "campaign-link-withdraw": ["campaign", "link"],
    "campaign-delete": ["campaign"],
    "material-move": ["material"],
    "material-delete": ["material"],
    "trajectory-move": ["trajectory"],
    "trajectory-delete": ["trajectory"],
    "project-rename": ["project"],
    "project-member": ["project"],
    "project-member-remove": ["project", "seat"],
    "project-delete": ["project"],
}
LINK = {
    "shared": (["token"], 200),
    "shared-arrhenius": (["token"], 200),
    "shared-steps": (["token", "diffusivity"], 200),
    "shared-msd": (["token", "run"], 200),
}
ADMINISTRATOR = {"account-list": ("get", [], 200), "account-link": ("post", ["user"], 200), "account-active": ("post", ["user"], 302),
                 "resource-list": ("get", [], 200)}  # fmt: skip
ANYBODY_SIGNED_IN = {
    "campaign-list": ([], 200),
    "archive-import": ([], 403),  # administrators alone: a frozen model is code
    "campaign-new": ([], 200),
    "campaign-new-cells": ([], 200),
    "campaign-new-cell": ([], 200),
    "campaign-new-labeller": ([], 200),
    "campaign-new-settings": ([], 200),
    "material-list": ([], 200),
    "material-new": ([], 200),
    "compare": ([], 200),
    "trajectory-list": ([], 200),
    "token-list": ([], 200),
    "project-list": ([], 200),
    "account": ([], 200),
    "change-password": ([], 200),
    "plot-compare": ([], 200),
    "plot-compare-bars": (["conductivity"], 200),
    "compare-rows": (["csv"], 200),
}
# Sent to an address of its own, the answer is a page: who signs in again there GETs it.
SHOWN_AGAIN = {"trajectory-again", "material-describe", "project-member", "campaign-link-new", "account-link"}
CHANGES_PASSWORD = "change-password"  # shows a form to anybody who is signed in
ANYBODY_SIGNED_IN_POST = {
    "campaign-new-estimate": ([], 200),
    "campaign-new-upload": ([], 200),
    "campaign-new-potential": ([], 200),
    "material-example": (["nothing"], 404),
    "token-withdraw": (["nothing"], 404),
}
OPEN = {"login", "home", "healthz", "metrics", "logout", "set-password"}
ROLES = ("owner", "root", "head", "member", "viewer", "stranger")  # head: an owner of the project, who made none of what is in it
