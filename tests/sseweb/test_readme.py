"""What the README shows can be used as it is written."""

import re
from pathlib import Path

import pytest
import yaml
from django.contrib.auth import get_user_model

from campaigns.services import campaigns, materials, settings_file

README = Path(__file__).resolve().parents[2] / "README.md"
ANTIFLUORITE = b"""data_Li2O
_cell_length_a 4.619
_cell_length_b 4.619
_cell_length_c 4.619
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 0.25 0.25 0.25 1
O1 0 0 0 1
"""


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL))
def test_its_settings_files_are_accepted(text, db, tmp_path):
    document = yaml.safe_load(text)
    is_classical = document["material"] == "Li2O.cif"
    (tmp_path / document["material"]).write_bytes(ANTIFLUORITE if is_classical else materials.cif_of("li3n"))
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    owner = get_user_model().objects.create_user("marie")
    made = campaigns.create(owner, settings_file.to_request(owner, *settings_file.load(path), tmp_path))
    assert made.labeller == ("lammps" if is_classical else "chgnet")
