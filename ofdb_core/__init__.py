"""OFDB Lab: pre-training images from formulas, one image a category.

The road of a data set, module by module (each is imported only when it is used):

    ifs       an iterated function system: A (k, d, d), t (k, d), p (k,)
    streams   every source of randomness
    bounds    whole numbers that are out of range
    jit       compiled functions
    chaos     the chaos game: a system and random numbers become points (n, d)
    raster    points in the plane become an image (H, W)
    cloud     points in space become a cloud (n, 3), centred in a cube
    search    random systems become categories, as the original's search picks them
    render2d  an image of 2D-OFDB and its PNG file
    model3d   a model of 3D-OFDB, a cloud, and its PLY file
    camera    views of a model and their PNG files
    visualatom  an image of VisualAtom and its PNG file
    folder    folders of results: written whole, resumed, verified
    dataset   the folders of a data set: categories, models and images
    kinds     what a parameter may be: types, ranges, and the sentence that refuses a value
    recipe    what each notebook may be told: its parameters
    record    what ran: parameters, versions, commit, hashes
    digits    a small real data set that travels with scikit-learn
    voc       the objects of PASCAL VOC 2012, cut out
    archive   data sets in .zip and .tar files become folders
    real      real images by name, or from the user's folder or archive
    samples   labelled images, one after another
    live      labelled models, rendered from anywhere while training
    loading   images become batches, each a function of (seed, step)
    networks  timm's models, checked before they are used
    foreign   the weights in the files of others
    weights   networks as files
    card      what a checkpoint is, for those who get it
    torchvision_fix  lets torchvision be imported beside a torch it was not built for
    signals   what asks a run to save and stop
    processes  what several processes of one training do together
    droppath  drop path whose draws belong to the sample
    checkpoint  the state of a training on disk
    progress  what a training tells: its log and its bar
    train     one loop for pre-training and fine-tuning, on one device or many
    evaluation  predictions, accuracies and neighbours
    pretrain  a network learns the categories of a data set
    finetune  pre-trained and untrained networks learn real images
    exam      any checkpoint evaluated on any data set
    plot      figures
    explore   widgets
    report    the figures and numbers of an experiment on one page
    execution  runs one notebook
    launch    starts a notebook's training in several processes
    experiment  runs the notebooks of an experiment in order
"""

__version__ = "0.1.0"
