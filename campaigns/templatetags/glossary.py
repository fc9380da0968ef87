"""Terms of the field in a sentence or two, for the (?) beside them."""

GLOSSARY = {
    "S0": "The starting training set: configurations with labels that the first model is trained on, before any exploration.",
    "label": "A reference calculation: the energy, forces and virial that the reference method gives for one configuration.",
    "computed before": "The same atoms in the same places had been labelled with the same reference method before, on this installation: "
    "the label was looked up and cost nothing.",
    "label attempts": "A calculation that does not converge is tried again with other numerical settings, a few times at most: more steps, "
    "other mixing. They lead to the same solution, and one that never converges gives no label.",
    "method check": "One configuration of the training cell, its atoms moved by some 0.05 Å, is labelled as the method is set and again "
    "with each stricter value. If forces and stress stay where they are, the setting is good enough. A constant shift of the energy does "
    "no harm.",
    "core-seconds": "Seconds times the cores that were busy: what is charged on a cluster.",
    "core-hours": "Hours times the cores of this machine: what the campaign takes of it if every loop is run that the settings allow.",
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
    "oxidation states": "The charge of each ion in whole electrons, as chemistry counts it; a mean where an element has several. Orderings "
    "are drawn so that they add up to zero.",
    "space group": "The symmetry of the crystal, in Hermann and Mauguin's symbols and by its number in the International Tables. Partial "
    "occupancies count as they stand.",
    "supercell": "How often the cell is repeated along a, b and c. In a larger one an ion is farther from its own images, and every step "
    "costs more.",
    "preset": "A whole set of settings: quick shows the way in minutes to hours, standard is meant for results, paper is what Marcolongo "
    "and others did. Any of them can be changed.",
    "bond variation": "The largest relative change of a framework bond against the relaxed starting structure: 20 % says that a group has "
    "begun to come apart.",
    "RMSE": "Root-mean-square error: as the mean distance from the label, but a few bad points raise it more.",
    "RDF": "Radial distribution function g(r): how much likelier two atoms are at the distance r than in a gas of the same density.",
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
    "overrule": "A person's verdict stands above cleaning's, also when the medians move, in every training set that is made and every data "
    "set that is exported from then on. Who said so, when and why stays on record, and it can be taken back.",
    "parity": "A model's value against the label, for configurations that the model has not been trained on. On the diagonal both agree.",
    "model deviation": "How far several models, trained alike from other seeds, differ in the force on an atom: the largest standard "
    "deviation over the atoms. DP-GEN labels what lies between two limits of it.",
    "MAE": "Mean absolute error: the mean distance from the label, which a few bad points raise less than the root-mean-square error.",
    "verdict": "What the gate before the fit says of a run: diffusive runs enter the Arrhenius fit, others are listed with the reason.",
    "stationary": "D(T) of the last evaluated models agrees within the set spread, once the statistical error of the dynamics is "
    "taken out.",
    "spread": "Model-to-model scatter of log10 D within a loop, with the statistical error of the dynamics taken out.",
    "kinetic temperature": "The mean temperature that the atoms really had in the run; in NVE it differs from the target, so the fit "
    "uses this one.",
    "energy drift": "Change of the total energy in NVE dynamics, which should be none. A large drift means forces that do not belong to "
    "an energy.",
    "resource": "A queue of a cluster that an administrator has defined. A stage that is sent there becomes a job: it waits in the "
    "queue, and takes no core of this machine.",
    "backend": "The library that DeePMD-kit trains with: TensorFlow, the faster one on a CPU, or PyTorch. LAMMPS needs the same one to run "
    "the model, and no training goes on from a model of the other.",
    "attempt": "Folder in which the stage works. A failed try in it goes on from its last checkpoint.",
    "virial": "Minus the stress times the volume: what the model learns about pressure.",
    "interquartile range": "Distance between the lower and the upper quarter of the values: a width that outliers do not stretch.",
    "Haven ratio": "Tracer diffusion over charge diffusion. Below one where ions move together.",
    "hops": "How many independent hops of the mobile ion the run has seen, going back and forth taken off. Fifty are the least for a "
    "diffusion coefficient; four hundred and sixty give it to a fifth.",
    "fit window": "The times between which the slope of the mean square displacement is taken: from where ions have left their cages, "
    "which is searched for, to half of the run.",
    "non-Gaussian parameter": "3⟨r⁴⟩ / (5⟨r²⟩²) − 1 of the displacements at the start of the fit: 0 where all ions diffuse alike, large "
    "where some hop and others stay.",
    "collective D": "Diffusion of the sum of all mobile ions, which carries the current. It has no average over ions, so its error is much "
    "larger. D over it is the Haven ratio.",
    "length for an error": "From the error that was measured in this run, which falls as one over the square root of the length. Nothing "
    "is said where that error is reached, or where the run is not diffusive.",
    "exponent": "How the MSD grows: as t to this power, 1 where ions diffuse. From its shape in the fit, without what rattling adds, "
    "and from its log-log slope up to the whole run. More than its error below 1, the fall of D in a longer run is part of the error.",
    "late over early": "Mean square displacement over a short time in the second half of the run over that in the first: 1 where the run "
    "is steady. Beyond a factor of 1.2 and 3.5 errors the run is unsteady, and its D is not that of its end.",
    "slope": "d ln MSD / d ln t over the window of the fit: 1 where ions diffuse, near 0 where they rattle in cages.",
    "D after He": "An ordinary line from half of a hop's square to half of the run with the error that is expected from the hops seen: the "
    "estimate of He, Zhu, Epstein and Mo 2018 that many papers quote, to compare. It decides nothing here.",
    "conductivity": "Nernst-Einstein conductivity N q² D / (V k T): as if ions moved independently. Divide by the Haven ratio "
    "for the true one.",
    "robust fit": "The same line with Huber's loss: a stray point pulls less. Far from the weighted fit, it says that one run decides.",
    "jackknife": "Largest change of Ea where one of the temperatures is left out.",
    "chi2": "Squared distance of the points from the line over their errors, for each degree of freedom: about 1 where the errors are "
    "right. Above 1 the error of Ea is enlarged by its root.",
    "curvature": "The quadratic term of ln D in 1/(kT) over its own error. Beyond 2 the points bend, and nothing is extrapolated from "
    "them.",
    "role": "Owners of a project choose its people and may delete and share what is in it; members change and run it; viewers look.",
    "sel": "The most neighbours of each element within the cut-off radius that the descriptor of an atom has room for, in the order of the "
    "elements. It is counted on the training set; an atom with more neighbours would lose some of them.",
    "seed": "Where random numbers start from: orderings, velocities, initial weights. The same seed with the same settings gives the same "
    "campaign, another one an independent repetition.",
    "startup": "Time the engines need before they compute: imports, building graphs, neighbour statistics.",
}
