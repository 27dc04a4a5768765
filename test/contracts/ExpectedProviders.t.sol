// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {IRetirable} from "../../contracts/interfaces/IRetirable.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice A patient expects providers by commitment; only a provider that matches one is authenticated.
contract ExpectedProvidersTest is Consortium {
    bytes32 private constant GENERAL_INFORMATION = keccak256("salt, licence, name");
    bytes32 private constant PRIMARY_INFORMATION = keccak256("salt, department, room");

    function test_theExpectedProviderIsAuthenticated() public {
        vm.prank(alice);
        identity.expectProviders(ALICE, one(commitment(DOCTOR)));
        assertTrue(identity.isExpected(ALICE, commitment(DOCTOR)), "expected");
        assertFalse(identity.isAuthenticated(ALICE, DOCTOR), "not yet");
        vm.expectEmit(address(identity));
        emit IIdentityRegistry.ProviderAuthenticated(ALICE, DOCTOR);
        vm.prank(doctor);
        identity.authenticateProvider(ALICE, DOCTOR, GENERAL_INFORMATION, PRIMARY_INFORMATION);
        assertTrue(identity.isAuthenticated(ALICE, DOCTOR), "authenticated");
        assertFalse(identity.isExpected(ALICE, commitment(DOCTOR)), "met");
    }

    function testFuzz_anyOtherInformationIsRefused(bytes32 general, bytes32 primary) public {
        vm.assume(general != GENERAL_INFORMATION || primary != PRIMARY_INFORMATION);
        vm.prank(alice);
        identity.expectProviders(ALICE, one(commitment(DOCTOR)));
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotExpected.selector, DOCTOR));
        identity.authenticateProvider(ALICE, DOCTOR, general, primary);
    }

    function test_anotherProviderIsRefusedWithTheSameInformation() public {
        vm.prank(alice);
        identity.expectProviders(ALICE, one(commitment(DOCTOR)));
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotExpected.selector, A));
        identity.authenticateProvider(ALICE, A, GENERAL_INFORMATION, PRIMARY_INFORMATION);
        // Nor for the doctor by somebody else, nor for another patient.
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, DOCTOR, a));
        identity.authenticateProvider(ALICE, DOCTOR, GENERAL_INFORMATION, PRIMARY_INFORMATION);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotExpected.selector, DOCTOR));
        identity.authenticateProvider(CAROL, DOCTOR, GENERAL_INFORMATION, PRIMARY_INFORMATION);
    }

    function test_aSuspendedProviderIsRefused() public {
        vm.prank(alice);
        identity.expectProviders(ALICE, one(commitment(DOCTOR)));
        vm.prank(b);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Suspended);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, DOCTOR, doctor));
        identity.authenticateProvider(ALICE, DOCTOR, GENERAL_INFORMATION, PRIMARY_INFORMATION);
    }

    function test_expectationsAreThePatientsAndCanBeWithdrawn() public {
        bytes32[] memory commitments = one(commitment(DOCTOR));
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, a));
        identity.expectProviders(ALICE, commitments);
        vm.prank(alice);
        identity.expectProviders(ALICE, commitments);
        vm.prank(alice);
        identity.withdrawExpectation(ALICE, commitments[0]);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotExpected.selector, DOCTOR));
        identity.authenticateProvider(ALICE, DOCTOR, GENERAL_INFORMATION, PRIMARY_INFORMATION);
        // Only patients expect.
        vm.prank(a);
        vm.expectPartialRevert(IIdentityRegistry.WrongKind.selector);
        identity.expectProviders(A, commitments);
    }

    function test_nobodyElseWithdrawsAndOnlyWhatIsExpected() public {
        bytes32 expected = commitment(DOCTOR);
        vm.prank(alice);
        identity.expectProviders(ALICE, one(expected));
        address[3] memory others = [stranger, doctor, a];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, others[i]));
            identity.withdrawExpectation(ALICE, expected);
        }
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotExpected.selector, ALICE));
        identity.withdrawExpectation(ALICE, commitment(B));
    }

    function test_aSuspendedCustodianWithdrawsAndExpectsNothingNew() public {
        bytes32[] memory commitments = one(commitment(DOCTOR));
        vm.prank(a);
        identity.expectProviders(CAROL, commitments);
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, CAROL, a));
        identity.expectProviders(CAROL, commitments);
        vm.prank(a);
        identity.withdrawExpectation(CAROL, commitments[0]);
        assertFalse(identity.isExpected(CAROL, commitments[0]), "withdrawn");
    }

    function test_aPatientIsNoProvider() public {
        vm.prank(alice);
        identity.expectProviders(ALICE, one(commitment(ALICE)));
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IIdentityRegistry.WrongKind.selector, ALICE, IIdentityRegistry.Kind.Patient)
        );
        identity.authenticateProvider(ALICE, ALICE, GENERAL_INFORMATION, PRIMARY_INFORMATION);
    }

    function test_onceRetiredNothingIsExpectedOrMetAndAllCanBeWithdrawn() public {
        bytes32[] memory commitments = one(commitment(DOCTOR));
        vm.prank(alice);
        identity.expectProviders(ALICE, commitments);
        vm.prank(admin);
        IRetirable(address(identity)).retire(address(log));
        bytes memory reason = abi.encodeWithSelector(IRetirable.RetiredInFavourOf.selector, address(log));
        vm.prank(alice);
        vm.expectRevert(reason);
        identity.expectProviders(ALICE, commitments);
        vm.expectRevert(reason);
        identity.expectProvidersSigned(ALICE, commitments, NOW, "");
        vm.prank(doctor);
        vm.expectRevert(reason);
        identity.authenticateProvider(ALICE, DOCTOR, GENERAL_INFORMATION, PRIMARY_INFORMATION);
        vm.prank(alice);
        identity.withdrawExpectation(ALICE, commitments[0]);
        assertFalse(identity.isExpected(ALICE, commitments[0]), "withdrawn");
    }

    function test_signedTwin() public {
        bytes32[] memory commitments = two(commitment(DOCTOR), commitment(B));
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("ExpectProviders(bytes32 patient,bytes32[] commitments,uint256 nonce,uint256 deadline)"),
                ALICE,
                keccak256(abi.encodePacked(commitments)),
                identity.nonces(ALICE),
                uint256(NOW)
            )
        );
        bytes memory by = signature(address(identity), "Consentry IdentityRegistry", structHash, ALICE_KEY);
        vm.warp(NOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.SignatureExpired.selector, NOW));
        identity.expectProvidersSigned(ALICE, commitments, NOW, by);
        vm.warp(NOW);
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.expectProvidersSigned(ALICE, one(commitment(DOCTOR)), NOW, by);
        identity.expectProvidersSigned(ALICE, commitments, NOW, by);
        assertTrue(identity.isExpected(ALICE, commitments[0]) && identity.isExpected(ALICE, commitments[1]), "both");
        vm.expectRevert(abi.encodeWithSelector(IIdentityRegistry.NotAuthorised.selector, ALICE, address(this)));
        identity.expectProvidersSigned(ALICE, commitments, NOW, by);
    }

    function commitment(bytes32 provider) private pure returns (bytes32) {
        return keccak256(abi.encode(ALICE, provider, GENERAL_INFORMATION, PRIMARY_INFORMATION));
    }
}
