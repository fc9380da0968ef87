"""Terms of the field in a sentence or two, for the (?) beside them."""

GLOSSARY = {
    "S0": "The starting training set: configurations with labels that the first model is trained on, before any exploration.",
    "label": "A reference calculation: the energy, forces and virial that the reference method gives for one configuration.",
    "reference method": "What computes exact energies and forces: density functional theory, a force field, or a foundation model such as "
    "CHGNet. The trained model can be no better than it.",
    "training cell": "The ordered supercell on which reference calculations are made. Small is cheap; it should be at least twice as wide "
    "as the cut-off radius.",
    "evaluation cell": "The ordered supercell in which the trained model runs the long dynamics that give D. It may be larger than the "
    "training cell.",
    "ordering": "A CIF may say that a site is occupied only in part. Dynamics needs whole atoms, so occupancies are drawn, charge-neutral, "
    "with the lowest electrostatic energy. Ordering 0 is the best one found, 1 the next.",
    "mobile ion": "The ion whose diffusion is asked for; all other atoms are the framework.",
    "occupancy": "The share of the cells of the crystal in which an atom really sits on this site.",
    "disorder": "Sites that are occupied in part or shared by several elements.",
    "D": "Tracer diffusion coefficient of the mobile ion, from the slope of its mean square displacement: MSD = 6 D t.",
    "Ea": "Activation energy of diffusion: the slope of ln D against 1/kT.",
    "MSD": "Mean square displacement: how far ions have moved after a time t, averaged over ions and starting times.",
    "training loop": "One ramp of exploration temperatures, from low to high. Loops are repeated until D(T) stays where it is.",
    "training step": "Train a model on what is there, explore with it at one temperature, label the snapshots, clean the set.",
    "model error": "Root-mean-square error of the model's forces on new snapshots, computed before they enter the training set: an honest "
    "test error.",
    "cleaning": "A configuration is kept while its energy per atom and its largest force lie within a number of interquartile ranges "
    "of the median of the whole set. Nothing is deleted: it can come back.",
    "verdict": "What the gate before the fit says of a run: diffusive runs enter the Arrhenius fit, others are listed with the reason.",
    "stationary": "D(T) of the last evaluated models agrees within the set spread, once the statistical error of the dynamics is "
    "taken out.",
    "spread": "Model-to-model scatter of log10 D within a loop, with the statistical error of the dynamics taken out.",
    "kinetic temperature": "The mean temperature that the atoms really had in the run; in NVE it differs from the target, so the fit "
    "uses this one.",
    "energy drift": "Change of the total energy in NVE dynamics, which should be none. A large drift means forces that do not belong to "
    "an energy.",
    "attempt": "Folder in which the stage works. A failed try in it goes on from its last checkpoint.",
    "virial": "Minus the stress times the volume: what the model learns about pressure.",
    "interquartile range": "Distance between the lower and the upper quarter of the values: a width that outliers do not stretch.",
    "Haven ratio": "Tracer diffusion over charge diffusion. Below one where ions move together.",
    "hops": "How many independent hops of the mobile ion the run has seen, going back and forth taken off. Fifty are the least for a "
    "diffusion coefficient; four hundred and sixty give it to a fifth.",
    "slope": "d ln MSD / d ln t over the window of the fit: 1 where ions diffuse, near 0 where they rattle in cages.",
    "conductivity": "Nernst-Einstein conductivity N q² D / (V k T): as if ions moved independently. Divide by the Haven ratio "
    "for the true one.",
    "robust fit": "The same line with Huber's loss: a stray point pulls less. Far from the weighted fit, it says that one run decides.",
    "jackknife": "Largest change of Ea where one of the temperatures is left out.",
    "role": "Owners of a project choose its people and may delete and share what is in it; members change and run it; viewers look.",
    "startup": "Time the engines need before they compute: imports, building graphs, neighbour statistics.",
}
