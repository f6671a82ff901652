/** What finds a native addon, without the rest of core: for programs that need one before anything else is loaded. */
export { nativeAddonPlaces, prebuildTarget } from '../native-addon-places';
