"""What a page is about, if the user may see it: 404 otherwise, which says no more than that there is nothing here for him."""

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from campaigns.models import Campaign, Cell, Frame, Stage, TrainedModel


def campaigns(request: HttpRequest) -> QuerySet[Campaign]:
    return Campaign.objects.visible_to(request.user)


def campaign(request: HttpRequest, pk: int) -> Campaign:
    return get_object_or_404(campaigns(request).select_related("owner"), pk=pk)


def stage(request: HttpRequest, pk: int) -> Stage:
    found = Stage.objects.select_related("campaign", "cell__material")
    return get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)


def frame(request: HttpRequest, pk: int) -> Frame:
    found = Frame.objects.select_related("campaign", "stage__campaign", "cell__material", "artefact")
    return get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)


def trained_model(request: HttpRequest, pk: int) -> TrainedModel:
    found = TrainedModel.objects.select_related("campaign", "stage__campaign", "frozen", "compressed", "learning_curve", "input_json")
    return get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)


def cell(request: HttpRequest, pk: int) -> Cell:
    found = Cell.objects.select_related("campaign", "material", "structure")
    return get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)
